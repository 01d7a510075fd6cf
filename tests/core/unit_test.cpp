// SPDX-License-Identifier: Apache-2.0
#include "core/unit.hpp"

#include <gtest/gtest.h>

namespace fulmar {
namespace {

TEST(Unit, KnowsTheSpellingsOfFiles) {
  for (const char* text : {"dB", "db", "DB", "decibel", "Decibels", " dB ", "10*log10"})
    EXPECT_EQ(parse_unit(text).symbol, "dB") << text;
  for (const char* text : {"1", "linear", "unitless", "Dimensionless", "ratio"})
    EXPECT_EQ(parse_unit(text).symbol, "1") << text;
  for (const char* text : {"m", "metre", "Meter", "metres", "METERS"}) EXPECT_EQ(parse_unit(text).symbol, "m") << text;
  for (const char* text : {"K", "kelvin", "Kelvin", "degK"}) EXPECT_EQ(parse_unit(text).symbol, "K") << text;
  for (const char* text : {"DN", "count", "Counts"}) EXPECT_EQ(parse_unit(text).symbol, "DN") << text;
}

TEST(Unit, LeavesOtherWordsAlone) {
  EXPECT_EQ(parse_unit("mol m-2").symbol, "mol m-2");
  EXPECT_EQ(parse_unit("").symbol, "");
  EXPECT_EQ(parse_unit("   ").symbol, "");
  EXPECT_FALSE(parse_unit("  ").known());
}

TEST(Unit, Compatible) {
  const Unit db{"dB"}, one{"1"}, unknown{}, any{std::string{units::any}};
  EXPECT_TRUE(compatible(db, db));
  EXPECT_FALSE(compatible(db, one));
  EXPECT_FALSE(compatible(one, db));
  EXPECT_TRUE(compatible(unknown, one));
  EXPECT_TRUE(compatible(db, unknown));
  EXPECT_TRUE(compatible(db, any));
  EXPECT_TRUE(compatible(unknown, any));
}

}  // namespace
}  // namespace fulmar
