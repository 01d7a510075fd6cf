// SPDX-License-Identifier: Apache-2.0
/// @file
/// Whether a driver of GDAL's knows an option. GDAL only warns of one that it does not know, and does without it.
#pragma once

#include <gdal_priv.h>

#include <string>
#include <vector>

#include "core/source.hpp"

namespace fulmar {

enum class OptionUse { open, creation, layer };

/// What is wrong with NAME=VALUE for that driver and kind of product, with the nearest name or the values there are;
/// empty where nothing is.
std::string option_trouble(const GDALDriver& driver, OptionUse use, ProductKind kind, const std::string& pair);

/// Fails with Errc::usage at the first creation or layer option that a product's driver does not know.
void check_product_options(const std::string& path, const GDALDriver& driver, ProductKind kind,
                           const FileOptions& options);

/// The same for the options with which a dataset was opened, whose driver is known only now.
void check_open_options(const std::string& path, GDALDataset& dataset, const std::vector<std::string>& open_options);

}  // namespace fulmar
