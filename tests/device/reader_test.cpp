// SPDX-License-Identifier: Apache-2.0
// Memory of a card on its way to the host where a call of CUDA fails: every failure is told, and when it is, no copy is
// on its way into memory that its owner then lets go.
#include "cuda/reader.hpp"

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <tuple>
#include <vector>

#include "core/error.hpp"
#include "cuda/backend.hpp"
#include "device/checked_device.hpp"
#include "ptx/runtime/fulmar_ptx.h"

namespace fulmar::test {
namespace {

void must(cudaError_t status) { ASSERT_EQ(status, cudaSuccess); }

/// Three planes on a card, and pinned memory for them, into which copies go as late as they may.
struct Planes {
  static constexpr std::int64_t count = 3, bytes = 40, rows = 7, pitch = 48;
  std::byte *there = nullptr, *here = nullptr;
  std::vector<unsigned char> cells = std::vector<unsigned char>(count * rows * pitch);

  Planes() {
    std::iota(cells.begin(), cells.end(), static_cast<unsigned char>(1));
    void* memory = nullptr;
    must(cudaMalloc(&memory, cells.size()));
    there = static_cast<std::byte*>(memory);
    must(cudaMemcpy(there, cells.data(), cells.size(), cudaMemcpyHostToDevice));
    must(cudaMallocHost(&memory, cells.size()));
    here = static_cast<std::byte*>(memory);
    std::fill_n(here, cells.size(), std::byte{0});
  }
  ~Planes() { cudaFree(there), cudaFreeHost(here); }
  [[nodiscard]] cuda::Rows told() const { return {there, bytes, rows, pitch, count, rows * pitch}; }
  [[nodiscard]] bool plane_is_here(std::int64_t p) const {
    for (std::int64_t y = 0; y < rows; ++y)
      if (std::memcmp(here + (p * rows + y) * bytes, cells.data() + (p * rows + y) * pitch, bytes) != 0) return false;
    return true;
  }
};

class CardRead : public testing::Test {
 protected:
  void SetUp() override {
    if (card() != nullptr) return;
    ASSERT_EQ(std::getenv("FULMAR_CARD_EXPECTED"), nullptr) << cuda::devices().trouble;
    GTEST_SKIP() << cuda::devices().trouble;
  }
  void TearDown() override {
    if (fulmar_ptx_set != nullptr) fulmar_ptx_set("FAIL", "");
  }
};

std::string trouble_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::runtime);
    return e.message();
  }
  return {};
}

TEST_F(CardRead, PlanesArrive) {
  Planes planes;
  cuda::Reader reader{0};
  reader.read(planes.told(), planes.here);
  for (std::int64_t p = 0; p < Planes::count; ++p) EXPECT_TRUE(planes.plane_is_here(p)) << p;
}

TEST_F(CardRead, WhatIsQueuedArrivesBeforeAFailureIsTold) {
  if (fulmar_ptx_set == nullptr) GTEST_SKIP() << "a card fails when it likes";
  for (int works = 0; works < Planes::count; ++works) {
    Planes planes;
    cuda::Reader reader{0};
    fulmar_ptx_set("FAIL", ("cudaMemcpy2DAsync " + std::to_string(works)).c_str());
    const std::string told = trouble_of([&] { reader.read(planes.told(), planes.here); });
    EXPECT_NE(told.find("copying an array from the device"), std::string::npos) << told;
    for (std::int64_t p = 0; p < works; ++p) EXPECT_TRUE(planes.plane_is_here(p)) << works << " worked, plane " << p;
    // The reader goes on.
    reader.read(planes.told(), planes.here);
    EXPECT_TRUE(planes.plane_is_here(Planes::count - 1));
  }
}

/// Each call, each time that it is made; the words tell which it was.
TEST_F(CardRead, EveryFailureIsTold) {
  if (fulmar_ptx_set == nullptr) GTEST_SKIP() << "a card fails when it likes";
  const auto work = [] {
    Planes planes;
    cuda::Reader reader{0};
    reader.wait_for(nullptr);
    reader.read(planes.told(), planes.here);
  };
  EXPECT_EQ(trouble_of(work), "");
  for (const auto& [call, times, words] : std::vector<std::tuple<std::string, int, std::string>>{
           {"cudaGetDevice", 3, "asking for the device"},
           {"cudaStreamCreateWithFlags", 1, "making a stream"},
           {"cudaEventCreateWithFlags", 1, "making an event"},
           {"cudaEventRecord", 1, "marking what the stream of an array was given"},
           {"cudaStreamWaitEvent", 1, "waiting for the stream of an array"},
           {"cudaEventDestroy", 1, "giving an event back"},
           {"cudaMemcpy2DAsync", 3, "copying an array from the device"},
           {"cudaStreamSynchronize", 1, "waiting for the copy of an array"}})
    for (int n = 0; n < times; ++n) {
      fulmar_ptx_set("FAIL", (call + " " + std::to_string(n)).c_str());
      const std::string told = trouble_of(work);
      EXPECT_NE(told.find("CUDA, " + words + ": "), std::string::npos) << call << " " << n << ": " << told;
    }
  // There and back, three times.
  for (int n = 0; n < 6; ++n) {
    fulmar_ptx_set("FAIL", ("cudaSetDevice " + std::to_string(n)).c_str());
    const std::string told = trouble_of(work), words = n % 2 == 0 ? "choosing a device" : "going back to the device";
    EXPECT_NE(told.find("CUDA, " + words), std::string::npos) << n << ": " << told;
  }
}

/// What a destructor cannot tell it forgets: the next launch is not blamed for it.
TEST_F(CardRead, AnEndThatFailsIsNoErrorOfWhatComesNext) {
  if (fulmar_ptx_set == nullptr) GTEST_SKIP() << "a card fails when it likes";
  for (const char* call : {"cudaStreamSynchronize 1", "cudaStreamDestroy 0"}) {
    Planes planes;
    {
      cuda::Reader reader{0};
      fulmar_ptx_set("FAIL", call);
      reader.read(planes.told(), planes.here);
    }
    EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess) << call;
  }
  for (const char* call : {"cudaStreamDestroy 0", "cudaSetDevice 0", "cudaStreamSynchronize 0"}) {
    auto lane = card()->lane(4096);
    fulmar_ptx_set("FAIL", call);
    lane.reset();
    EXPECT_EQ(cudaPeekAtLastError(), cudaSuccess) << call;
  }
}

}  // namespace
}  // namespace fulmar::test
