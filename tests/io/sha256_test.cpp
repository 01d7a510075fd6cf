// SPDX-License-Identifier: Apache-2.0
#include "io/sha256.hpp"

#include <fstream>

#include "support.hpp"

namespace fulmar::test {
namespace {

// The examples of FIPS 180-4, and a text of every length around a block's end against sha256sum.
TEST(Sha256, PublishedValues) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  Sha256 million;
  for (int i = 0; i < 1000; ++i) million.update(std::string(1000, 'a'));
  EXPECT_EQ(million.hex(), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, FingerprintsTellFilesApart) {
  Scratch scratch;
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream{scratch / name} << text;
    return fingerprint(scratch / name);
  };
  const std::string large(3 << 20, 'x');
  auto last = large;
  last.back() = 'y';
  EXPECT_EQ(write("a", large), write("b", large));
  EXPECT_NE(write("a", large), write("b", last));
  EXPECT_NE(write("a", large), write("b", large + "x"));
  EXPECT_EQ(fingerprint(scratch / "none"), "absent");
  EXPECT_EQ(write("e", ""), sha256("0\n"));
}

}  // namespace
}  // namespace fulmar::test
