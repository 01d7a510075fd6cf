// SPDX-License-Identifier: Apache-2.0
/// nvcc's kernels under the interpreter's runtime: right ones pass clean, planted bugs are reported.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "device/cases.hpp"
#include "runtime/fulmar_ptx.h"

namespace fulmar::ptx::test {
namespace {

std::string named(const auto& info) { return info.param.name; }

/// Defaults for each test, and faults as errors, so that the process goes on.
class Runtime {
 public:
  Runtime() {
    fulmar_ptx_clear_fault();
    fulmar_ptx_set("STICKY", "1");
    fulmar_ptx_set("SEED", "0");
    fulmar_ptx_set("BLOCKS", "4");
    fulmar_ptx_set("QUANTUM", "0");
  }
  ~Runtime() { fulmar_ptx_clear_fault(); }
};

class PlantedBug : public testing::TestWithParam<Planted> {
  Runtime runtime_;
};

TEST_P(PlantedBug, IsReportedAndTheRightOnePasses) {
  for (const char* seed : {"0", "1", "2"}) {
    fulmar_ptx_set("SEED", seed);
    GetParam().run(false);
    EXPECT_STREQ(fulmar_ptx_report(), "") << "the right program, seed " << seed;
    fulmar_ptx_clear_fault();
    GetParam().run(true);
    const std::string report = fulmar_ptx_report();
    EXPECT_FALSE(report.empty()) << "nothing was reported, seed " << seed;
    EXPECT_NE(report.find(GetParam().report), std::string::npos) << report;
    fulmar_ptx_clear_fault();
  }
}

INSTANTIATE_TEST_SUITE_P(Kernel, PlantedBug, testing::ValuesIn(planted_kernels()),
                         [](const auto& i) { return named(i); });
INSTANTIATE_TEST_SUITE_P(Stream, PlantedBug, testing::ValuesIn(planted_streams()),
                         [](const auto& i) { return named(i); });

class RightProgram : public testing::TestWithParam<Right> {
  Runtime runtime_;
};

TEST_P(RightProgram, GivesItsResultUnderEverySeed) {
  for (const char* seed : {"0", "1", "2"}) {
    fulmar_ptx_set("SEED", seed);
    fulmar_ptx_set("BLOCKS", seed[0] == '2' ? "16" : "4");
    fulmar_ptx_set("QUANTUM", seed[0] == '2' ? "7" : "0");
    EXPECT_TRUE(GetParam().run()) << "seed " << seed;
    EXPECT_STREQ(fulmar_ptx_report(), "");
    EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  }
}

INSTANTIATE_TEST_SUITE_P(Kernel, RightProgram, testing::ValuesIn(right_kernels()),
                         [](const auto& i) { return named(i); });
INSTANTIATE_TEST_SUITE_P(Library, RightProgram, testing::ValuesIn(right_library()),
                         [](const auto& i) { return named(i); });

/// No single access is wrong here: only the result is, under some schedules.
TEST(Schedules, ShowASwapThatIsNotTriedAgain) {
  const Runtime runtime;
  fulmar_ptx_set("BLOCKS", "16");
  fulmar_ptx_set("QUANTUM", "5");
  int wrong = 0;
  const int greatest = 1008;
  for (int seed = 0; seed < 20; ++seed) {
    fulmar_ptx_set("SEED", std::to_string(seed).c_str());
    const int right = greatest_by_swap(true);
    ASSERT_EQ(right, greatest_by_swap(true));
    wrong += greatest_by_swap(false) != right;
    ASSERT_LE(right, greatest);
  }
  EXPECT_GE(wrong, 10) << "of 20 schedules";
  ASSERT_STREQ(fulmar_ptx_report(), "");
}

TEST(Counts, TellCopiesAndTraffic) {
  const Runtime runtime;
  fulmar_ptx_reset_counts();
  ASSERT_TRUE(right_kernels()[1].run());  // a box of 53 x 37 floats
  fulmar_ptx_counts c{};
  fulmar_ptx_get_counts(&c);
  EXPECT_EQ(c.launches, 1u);
  EXPECT_EQ(c.host_to_device_copies, 1u);
  EXPECT_EQ(c.host_to_device_bytes, 53u * 37 * 4);
  EXPECT_EQ(c.device_to_host_copies, 1u);
  EXPECT_EQ(c.pageable_copies, 2u);
  EXPECT_EQ(c.allocations, 2u);
  EXPECT_GE(c.bytes_highest, 2u * 53 * 37 * 4);
  fulmar_ptx_traffic t{};
  ASSERT_TRUE(fulmar_ptx_get_traffic("box", &t));
  EXPECT_EQ(t.launches, 1u);
  EXPECT_EQ(t.blocks, 4u * 3);
  EXPECT_EQ(t.store_bytes, 53u * 37 * 4);
  EXPECT_EQ(t.load_bytes, 12u * 20 * 20 * 4);
  // Rows of 53 floats: every block's halo begins and ends within a sector.
  EXPECT_EQ(t.grid_sector_bytes, (53u * 37 * 4 + 31) / 32 * 32);
  EXPECT_GT(t.block_sector_bytes, t.grid_sector_bytes);
  EXPECT_LT(t.block_sector_bytes, 2 * t.load_bytes);
  EXPECT_FALSE(fulmar_ptx_get_traffic("no such kernel", &t));
}

TEST(Memory, RunsOut) {
  const Runtime runtime;
  void* p = nullptr;
  EXPECT_EQ(cudaMalloc(&p, std::size_t{1} << 40), cudaErrorMemoryAllocation);
  EXPECT_EQ(p, nullptr);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
}

TEST(MemoryDeathTest, OfTheDeviceIsNotTheHosts) {
  void* p = nullptr;
  ASSERT_EQ(cudaMalloc(&p, 4), cudaSuccess);
  EXPECT_DEATH(*static_cast<volatile int*>(p) = 1, "");
  cudaFree(p);
}

}  // namespace
}  // namespace fulmar::ptx::test
