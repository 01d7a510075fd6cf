// SPDX-License-Identifier: Apache-2.0
#include "io/driver_options.hpp"

#include <cpl_minixml.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>

#include "core/error.hpp"
#include "core/nearest.hpp"
#include "io/cube_sink.hpp"
#include "io/drivers.hpp"
#include "io/gdal_support.hpp"

namespace fulmar {
namespace {

struct FreeXml {
  void operator()(CPLXMLNode* node) const { CPLDestroyXMLNode(node); }
};

struct DriverOption {
  std::string name, alias;
  std::vector<std::string> values;  // of which one must be given; empty where any may
  bool whole = false;
};

const char* list_of(OptionUse use) {
  switch (use) {
    case OptionUse::open:
      return GDAL_DMD_OPENOPTIONLIST;
    case OptionUse::creation:
      return GDAL_DMD_CREATIONOPTIONLIST;
    case OptionUse::layer:
      break;
  }
  return GDAL_DS_LAYER_CREATIONOPTIONLIST;
}

const char* word_of(OptionUse use) {
  return use == OptionUse::open ? "open option" : use == OptionUse::creation ? "creation option" : "layer option";
}

std::vector<DriverOption> options_of(const GDALDriver& driver, OptionUse use, ProductKind kind) {
  const ErrorTrap quiet;
  const char* text = const_cast<GDALDriver&>(driver).GetMetadataItem(list_of(use));
  const std::unique_ptr<CPLXMLNode, FreeXml> root{text == nullptr ? nullptr : CPLParseXMLString(text)};
  std::vector<DriverOption> options;
  for (const auto* node = root ? root->psChild : nullptr; node != nullptr; node = node->psNext) {
    if (node->eType != CXT_Element || !EQUAL(node->pszValue, "Option")) continue;
    // Of a driver of both, each kind of product has its own.
    const std::string_view scope = CPLGetXMLValue(node, "scope", "");
    const char* of_kind = kind == ProductKind::features ? "vector" : "raster";
    if (use == OptionUse::creation && !scope.empty() && scope.find(of_kind) == std::string_view::npos) continue;
    DriverOption option;
    option.name = CPLGetXMLValue(node, "name", "");
    option.alias = CPLGetXMLValue(node, "alias", CPLGetXMLValue(node, "deprecated_alias", ""));
    const std::string_view type = CPLGetXMLValue(node, "type", "");
    option.whole = type == "int" || type == "integer" || type == "unsigned int";
    if (type == "string-select")
      for (const auto* value = node->psChild; value != nullptr; value = value->psNext) {
        if (value->eType != CXT_Element || !EQUAL(value->pszValue, "Value")) continue;
        option.values.emplace_back(CPLGetXMLValue(value, nullptr, ""));
        if (const char* alias = CPLGetXMLValue(value, "alias", nullptr)) option.values.emplace_back(alias);
      }
    options.push_back(std::move(option));
  }
  return options;
}

bool is_whole(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::string option_trouble(const GDALDriver& driver, OptionUse use, ProductKind kind, const std::string& pair) {
  const std::string name = pair.substr(0, pair.find('='));
  const std::string value = pair.find('=') == std::string::npos ? "" : pair.substr(pair.find('=') + 1);
  // GDAL itself knows these, and what begins with @ is for whoever wrote the driver.
  if (name.starts_with('@') || (use == OptionUse::open && EQUAL(name.c_str(), "OVERVIEW_LEVEL"))) return {};
  // A word of our own: no shapes in a CSV.
  if (use == OptionUse::layer && name_of(driver) == "CSV" && EQUAL(pair.c_str(), "GEOMETRY=NONE")) return {};
  const auto options = use == OptionUse::layer && kind != ProductKind::features ? std::vector<DriverOption>{}
                                                                                : options_of(driver, use, kind);
  if (options.empty())
    return fmt::format("GDAL's driver {} takes no {}s, and so no {}", name_of(driver), word_of(use), name);
  const auto found = std::find_if(options.begin(), options.end(), [&](const DriverOption& o) {
    return EQUAL(o.name.c_str(), name.c_str()) || (!o.alias.empty() && EQUAL(o.alias.c_str(), name.c_str()));
  });
  if (found == options.end()) {
    std::vector<std::string> names;
    for (const auto& option : options) names.push_back(option.name);
    const std::string near = nearest(name, names);
    return fmt::format("GDAL's driver {} has no {} {}; {}", name_of(driver), word_of(use), name,
                       !near.empty()       ? "did you mean " + near + "?"
                       : names.size() < 12 ? fmt::format("it has {}", fmt::join(names, ", "))
                                           : "gdalinfo --format " + name_of(driver) + " lists them");
  }
  const auto& values = found->values;
  if (!values.empty() &&
      std::none_of(values.begin(), values.end(), [&](const std::string& v) { return EQUAL(v.c_str(), value.c_str()); }))
    return fmt::format("{} of GDAL's driver {} takes {}, not '{}'", found->name, name_of(driver),
                       fmt::join(values, ", "), value);
  if (found->whole && !is_whole(value))
    return fmt::format("{} of GDAL's driver {} takes a whole number, not '{}'", found->name, name_of(driver), value);
  return {};
}

void check_product_options(const std::string& path, const GDALDriver& driver, ProductKind kind,
                           const FileOptions& options) {
  const auto check = [&](OptionUse use, const std::vector<std::string>& pairs) {
    for (const auto& pair : pairs)
      if (const auto trouble = option_trouble(driver, use, kind, pair); !trouble.empty())
        fail(Errc::usage, fmt::format("'{}': {}", path, trouble));
  };
  const auto name = name_of(driver);
  if (kind == ProductKind::raster && (name == "netCDF" || name == "Zarr"))
    check_cube_options(name, options.creation_options);
  else
    check(OptionUse::creation, options.creation_options);
  check(OptionUse::layer, options.layer_options);
}

void check_open_options(const std::string& path, GDALDataset& dataset, const std::vector<std::string>& open_options) {
  const auto* driver = dataset.GetDriver();
  for (const auto& pair : open_options)
    if (driver == nullptr)
      return;
    else if (const auto trouble = option_trouble(*driver, OptionUse::open, ProductKind::any, pair); !trouble.empty())
      fail(Errc::usage, fmt::format("'{}': {}", path, trouble));
}

}  // namespace fulmar
