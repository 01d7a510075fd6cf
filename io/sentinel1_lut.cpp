// SPDX-License-Identifier: Apache-2.0
#include "io/sentinel1_lut.hpp"

#include <cpl_minixml.h>
#include <cpl_vsi.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <optional>
#include <string_view>

#include "core/error.hpp"
#include "io/computed_source.hpp"
#include "io/gdal_support.hpp"

namespace fulmar {
namespace {

/// One calibration vector: the table along one line.
struct Vector {
  double line = 0;
  double time = 0;  // seconds since 1970
  std::vector<double> pixels, values;
};

struct Lut {
  std::vector<Vector> vectors;
  std::int64_t line_offset = 0, sample_offset = 0;
  // Where the vectors lie: in seconds from the first line, or in lines where the times are not known.
  std::vector<double> places;
  double place_per_line = 1;
};

struct DestroyXml {
  void operator()(CPLXMLNode* node) const { CPLDestroyXMLNode(node); }
};
using Xml = std::unique_ptr<CPLXMLNode, DestroyXml>;

bool exists(const std::string& path) {
  const ErrorTrap quiet;
  VSIStatBufL stat;
  return VSIStatL(path.c_str(), &stat) == 0 && !VSI_ISDIR(stat.st_mode);
}

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

std::string read_text(const std::string& path) {
  constexpr std::size_t most = std::size_t{64} << 20;  // the largest in use are below 10 MB; beyond is no such file
  if (const auto trouble = file_trouble(path); !trouble.empty())
    fail(Errc::input, fmt::format("cannot read the calibration table: {}", trouble));
  const ErrorTrap trap;
  const auto name = ends_with(path, ".gz") && path.rfind("/vsigzip/", 0) != 0 ? "/vsigzip/" + path : path;
  VSILFILE* file = VSIFOpenL(name.c_str(), "rb");
  if (file == nullptr) fail(Errc::input, fmt::format("cannot open '{}'{}", path, trap.aside()));
  std::string text;
  std::vector<char> buffer(std::size_t{1} << 20);
  for (std::size_t got = 1; got > 0 && text.size() <= most;) {
    got = VSIFReadL(buffer.data(), 1, buffer.size(), file);
    text.append(buffer.data(), got);
  }
  VSIFCloseL(file);
  if (text.size() > most) fail(Errc::input, fmt::format("'{}' is far too large for an annotation", path));
  if (text.empty() || trap.failed())
    fail(Errc::input, fmt::format("'{}' is damaged or cut short{}", path, trap.aside()));
  return text;
}

Xml parse_xml(const std::string& path) {
  const auto text = read_text(path);
  const ErrorTrap trap;
  Xml tree{CPLParseXMLString(text.c_str())};
  if (!tree || trap.failed())
    fail(Errc::input, fmt::format("'{}' is not well-formed XML, or cut short{}", path, trap.aside()));
  return tree;
}

std::vector<double> parse_numbers(std::string_view text, const char* what, const std::string& path) {
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; };
  std::vector<double> numbers;
  const char *at = text.data(), *const end = at + text.size();
  while (true) {
    while (at != end && is_space(*at)) ++at;
    if (at == end) return numbers;
    if (*at == '+') ++at;
    double value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error != std::errc{} || (next != end && !is_space(*next)) || !std::isfinite(value))
      fail(Errc::input, fmt::format("'{}': <{}> holds something that is not a number", path, what));
    numbers.push_back(value);
    at = next;
  }
}

double parse_number(const CPLXMLNode* node, const char* what, const std::string& path) {
  const auto numbers = parse_numbers(CPLGetXMLValue(node, what, ""), what, path);
  if (numbers.size() != 1) fail(Errc::input, fmt::format("'{}' lacks a number in <{}>", path, what));
  return numbers.front();
}

/// A list of numbers that says in its attribute "count" how many there are: one that was cut is told by that.
std::vector<double> parse_list(CPLXMLNode* vector, const char* what, const std::string& path) {
  const auto* node = CPLGetXMLNode(vector, what);
  if (node == nullptr) fail(Errc::input, fmt::format("'{}': a calibration vector lacks its <{}>", path, what));
  auto numbers = parse_numbers(CPLGetXMLValue(node, "", ""), what, path);
  const std::string count = CPLGetXMLValue(node, "count", "");
  if (!count.empty() && count != std::to_string(numbers.size()))
    fail(Errc::input, fmt::format("'{}': <{}> announces {} numbers and holds {}; it is cut short or altered", path,
                                  what, count, numbers.size()));
  return numbers;
}

/// "2021-12-23T05:11:22.594441" in seconds since 1970.
std::optional<double> parse_time(const char* text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, used = 0;
  double second = 0;
  if (std::sscanf(text, "%4d-%2d-%2dT%2d:%2d:%n", &year, &month, &day, &hour, &minute, &used) != 5 || used == 0)
    return std::nullopt;
  const std::string_view rest{text + used};
  const auto [next, error] = std::from_chars(rest.data(), rest.data() + rest.size(), second);
  if (error != std::errc{} || (*next != '\0' && *next != 'Z')) return std::nullopt;
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      !(second >= 0 && second < 61))
    return std::nullopt;
  // Days since 1970 of a Gregorian date, counted in years that begin in March.
  const int y = month <= 2 ? year - 1 : year, m = (month + 9) % 12;
  const std::int64_t days = 365LL * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
  return static_cast<double>(days * 86400 + hour * 3600 + minute * 60) + second;
}

double parse_time(const CPLXMLNode* node, const char* what, const std::string& path) {
  const auto time = parse_time(CPLGetXMLValue(node, what, ""));
  if (!time) fail(Errc::input, fmt::format("'{}': <{}> is not a time", path, what));
  return *time;
}

Vector parse_vector(CPLXMLNode* node, const char* lut, const std::string& path) {
  Vector vector;
  vector.line = parse_number(node, "line", path);
  vector.time = parse_time(node, "azimuthTime", path);
  vector.pixels = parse_list(node, "pixel", path);
  vector.values = parse_list(node, lut, path);
  if (vector.pixels.size() != vector.values.size())
    fail(Errc::input, fmt::format("'{}': the vector of line {} has {} pixels but {} values of <{}>", path, vector.line,
                                  vector.pixels.size(), vector.values.size(), lut));
  if (vector.pixels.size() < 2)
    fail(Errc::input, fmt::format("'{}': the vector of line {} has fewer than two pixels", path, vector.line));
  if (std::adjacent_find(vector.pixels.begin(), vector.pixels.end(), std::greater_equal<>{}) != vector.pixels.end())
    fail(Errc::input, fmt::format("'{}': the pixels of line {} do not increase", path, vector.line));
  if (std::any_of(vector.values.begin(), vector.values.end(), [](double a) { return a <= 0; }))
    fail(Errc::input, fmt::format("'{}': <{}> of line {} is not above zero", path, lut, vector.line));
  return vector;
}

/// The annotation of the product that a calibration table in a SAFE folder belongs to; empty where there is none.
std::string annotation_of(const std::string& path) {
  const auto name = file_name(path);
  constexpr std::string_view prefix = "calibration-";
  if (name.rfind(prefix, 0) != 0) return {};
  const auto folder = folder_name(path);
  const auto above = folder == "." ? std::string{".."} : folder_name(folder);
  auto file = above + "/" + name.substr(prefix.size());
  if (exists(file)) return file;
  if (ends_with(file, ".gz"))
    file.resize(file.size() - 3);
  else
    file += ".gz";
  return exists(file) ? file : std::string{};
}

void place_vectors(Lut& lut, const std::string& path) {
  const auto annotation = annotation_of(path);
  if (annotation.empty()) {
    for (const auto& v : lut.vectors) lut.places.push_back(v.line);
    return;
  }
  const auto tree = parse_xml(annotation);
  const auto* image = CPLSearchXMLNode(tree.get(), "=imageInformation");
  if (image == nullptr) fail(Errc::input, fmt::format("'{}' lacks its <imageInformation>", annotation));
  const double first = parse_time(image, "productFirstLineUtcTime", annotation);
  const double last = parse_time(image, "productLastLineUtcTime", annotation);
  const double lines = parse_number(image, "numberOfLines", annotation);
  if (!(lines >= 2) || !(last > first))
    fail(Errc::input, fmt::format("'{}': the times or the number of its lines make no sense", annotation));
  for (const auto& v : lut.vectors) lut.places.push_back(v.time - first);
  if (std::adjacent_find(lut.places.begin(), lut.places.end(), std::greater_equal<>{}) != lut.places.end())
    fail(Errc::input, fmt::format("'{}': the times of the calibration vectors do not increase", path));
  lut.place_per_line = (last - first) / (lines - 1);
}

std::int64_t parse_offset(const std::map<std::string, std::string>& values, const char* name) {
  const auto found = values.find(name);
  if (found == values.end() || found->second.empty()) return 0;
  const auto& text = found->second;
  constexpr std::int64_t most = std::int64_t{1} << 40;
  std::int64_t value = 0;
  const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || next != text.data() + text.size() || value < -most || value > most)
    fail(Errc::usage, fmt::format("{} must be a whole number, not '{}'", name, text));
  return value;
}

const char* element_of(const std::map<std::string, std::string>& values) {
  const auto found = values.find("lut");
  const std::string name = found == values.end() || found->second.empty() ? "sigma" : found->second;
  if (name == "sigma") return "sigmaNought";
  if (name == "beta") return "betaNought";
  if (name == "gamma") return "gamma";
  fail(Errc::usage, fmt::format("a calibration table is sigma, beta or gamma, not '{}'", name));
}

std::string find_beside(const std::string& scene) {
  const auto folder = folder_name(scene), name = "calibration-" + stem_of(scene) + ".xml";
  std::vector<std::string> places;
  if (file_name(folder) == "measurement" || folder == "measurement") {
    const auto product = folder == "measurement" ? std::string{"."} : folder_name(folder);
    places.push_back(product + "/annotation/calibration/" + name);
  } else {
    places.push_back(folder + "/../annotation/calibration/" + name);
  }
  places.push_back(folder + "/" + name);
  for (const auto& place : places)
    for (const char* ending : {"", ".gz"})
      if (exists(place + ending)) return place + ending;
  fail(Errc::usage, fmt::format("no calibration table was found for '{}': there is neither '{}' nor '{}'; name it with "
                                "--with",
                                scene, places[0], places[1]));
}

/// The words of a measurement's name, as in s1b-iw-grd-vv-20211223t051122-...: empty where it is no such name.
std::vector<std::string> words_of_measurement(const std::string& scene) {
  std::vector<std::string> words{""};
  for (const char c : stem_of(scene))
    if (c == '-')
      words.emplace_back();
    else
      words.back() += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const bool named = words.size() >= 6 && words[0].size() == 3 && words[0].rfind("s1", 0) == 0 &&
                     words[3].size() == 2 && words[4].size() == 15;
  return named ? words : std::vector<std::string>{};
}

/// A table of another scene would calibrate this one wrongly, and nothing would show it.
void check_belongs(const CPLXMLNode* tree, const Lut& lut, const std::string& path, const std::string& scene,
                   const Grid& grid) {
  const auto* header = CPLSearchXMLNode(const_cast<CPLXMLNode*>(tree), "=adsHeader");
  const auto words = words_of_measurement(scene);
  if (header != nullptr && !words.empty()) {
    const auto said = [&](const char* what) {
      std::string text = CPLGetXMLValue(header, what, "");
      std::erase_if(text, [](char c) { return c == '-' || c == ':'; });
      for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      return text;
    };
    const auto compare = [&](const char* what, const char* element, const std::string& of_scene, std::size_t digits) {
      const std::string of_table = said(element).substr(0, digits);
      if (!of_table.empty() && of_table != of_scene)
        fail(Errc::input, fmt::format("the calibration table '{}' does not belong to '{}': its {} is {}, that of the "
                                      "scene {}; give the table of that scene with --with",
                                      path, scene, what, of_table, of_scene));
    };
    compare("satellite", "missionId", words[0], 3);
    compare("swath", "swath", words[1], 3);
    compare("polarisation", "polarisation", words[3], 2);
    const auto& t = words[4];
    const auto started = parse_time(fmt::format("{}-{}-{}T{}:{}:{}", t.substr(0, 4), t.substr(4, 2), t.substr(6, 2),
                                                t.substr(9, 2), t.substr(11, 2), t.substr(13, 2))
                                        .c_str());
    const auto of_table = parse_time(CPLGetXMLValue(header, "startTime", ""));
    // A name has whole seconds.
    if (started && of_table && std::abs(*started - *of_table) > 1.5)
      fail(Errc::input,
           fmt::format("the calibration table '{}' does not belong to '{}': it begins at {}, the scene at {}; "
                       "give the table of that scene with --with",
                       path, scene, CPLGetXMLValue(header, "startTime", ""), t));
  }
  // Beyond its last vectors a table goes on for less than a step.
  const auto& v = lut.vectors;
  const auto& pixels = v.front().pixels;
  const double lines = v.back().line + (v.back().line - v[v.size() - 2].line);
  const double samples = pixels.back() + (pixels.back() - pixels[pixels.size() - 2]);
  const auto bottom = static_cast<double>(grid.height + lut.line_offset),
             right = static_cast<double>(grid.width + lut.sample_offset);
  if (bottom > lines + 1 || right > samples + 1 || lut.line_offset < 0 || lut.sample_offset < 0)
    fail(Errc::input,
         fmt::format(
             "the calibration table '{}' does not belong to '{}': it reaches to line {} and sample {}, the scene "
             "from {},{} to line {} and sample {}; give the table of that scene, and of a cut-out its place with "
             "--line-offset and --sample-offset",
             path, scene, v.back().line, pixels.back(), lut.line_offset, lut.sample_offset,
             grid.height + lut.line_offset - 1, grid.width + lut.sample_offset - 1));
}

std::shared_ptr<const Lut> parse_lut(const std::string& path, const CompanionRequest& request, const Grid& grid) {
  const char* element = element_of(request.values);
  auto lut = std::make_shared<Lut>();
  lut->line_offset = parse_offset(request.values, "line-offset");
  lut->sample_offset = parse_offset(request.values, "sample-offset");
  const auto tree = parse_xml(path);
  // The equals sign lets GDAL look beyond the XML declaration, which is a node of its own.
  auto* list = CPLSearchXMLNode(tree.get(), "=calibrationVectorList");
  if (list == nullptr)
    fail(Errc::input, fmt::format("'{}' is no Sentinel-1 calibration table: it has no <calibrationVectorList>", path));
  for (auto* node = list->psChild; node != nullptr; node = node->psNext)
    if (node->eType == CXT_Element && std::string_view{node->pszValue} == "calibrationVector")
      lut->vectors.push_back(parse_vector(node, element, path));
  const std::string count = CPLGetXMLValue(list, "count", "");
  if (!count.empty() && count != std::to_string(lut->vectors.size()))
    fail(Errc::input, fmt::format("'{}' announces {} calibration vectors and holds {}; it is cut short or altered",
                                  path, count, lut->vectors.size()));
  if (lut->vectors.size() < 2) fail(Errc::input, fmt::format("'{}' has fewer than two calibration vectors", path));
  if (std::adjacent_find(lut->vectors.begin(), lut->vectors.end(),
                         [](const Vector& a, const Vector& b) { return a.line >= b.line; }) != lut->vectors.end())
    fail(Errc::input, fmt::format("'{}': the lines of the calibration vectors do not increase", path));
  check_belongs(tree.get(), *lut, path, request.scene, grid);
  place_vectors(*lut, path);
  return lut;
}

/// The table along one vector for `count` samples from `first`.
void interpolate(const Vector& vector, double first, std::int64_t count, double* values) {
  const auto& pixels = vector.pixels;
  const auto last = pixels.size() - 2;
  // The last interval that begins at or before the sample; the first one reaches back to minus infinity.
  auto p = static_cast<std::size_t>(std::upper_bound(pixels.begin(), pixels.end(), first) - pixels.begin());
  p = std::min(p == 0 ? 0 : p - 1, last);
  for (std::int64_t i = 0; i < count; ++p) {
    const double start = pixels[p], length = pixels[p + 1] - start;
    const double a = vector.values[p], b = vector.values[p + 1];
    const auto end =
        p == last ? count
                  : std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(pixels[p + 1] - first)), i, count);
    for (; i < end; ++i) {
      const double mu = (first + static_cast<double>(i) - start) / length;
      values[i] = (1 - mu) * a + mu * b;
    }
  }
}

class LutReader : public RasterReader {
 public:
  explicit LutReader(std::shared_ptr<const Lut> lut) : lut_{std::move(lut)} {}

  void read(int, const Window& w, void* cells, std::int64_t stride) override {
    const auto& vectors = lut_->vectors;
    above_.resize(static_cast<std::size_t>(w.width));
    below_.resize(above_.size());
    auto* row = static_cast<float*>(cells);
    const auto sample = static_cast<double>(w.x + lut_->sample_offset);
    std::size_t current = vectors.size();
    for (std::int64_t y = 0; y < w.height; ++y, row += stride) {
      const auto line = static_cast<double>(w.y + y + lut_->line_offset);
      const auto v = vector_of(line);
      if (v != current) {
        interpolate(vectors[v], sample, w.width, above_.data());
        interpolate(vectors[v + 1], sample, w.width, below_.data());
        current = v;
      }
      const double place = line * lut_->place_per_line;
      const double mu = (place - lut_->places[v]) / (lut_->places[v + 1] - lut_->places[v]);
      for (std::size_t i = 0; i < above_.size(); ++i)
        row[i] = static_cast<float>((1 - mu) * above_[i] + mu * below_[i]);
    }
  }

  void read_mask(int, const Window&, std::uint8_t*, std::int64_t) override {
    fail(Errc::runtime, "a calibration table has no mask");
  }

 private:
  [[nodiscard]] std::size_t vector_of(double line) const {
    const auto& vectors = lut_->vectors;
    const auto next = std::upper_bound(vectors.begin(), vectors.end(), line,
                                       [](double l, const Vector& vector) { return l < vector.line; });
    const auto index = static_cast<std::size_t>(next - vectors.begin());
    return std::min(index == 0 ? 0 : index - 1, vectors.size() - 2);
  }

  std::shared_ptr<const Lut> lut_;
  std::vector<double> above_, below_;  // the table along the vectors around the current line
};

class LutSource : public ComputedSource {
 public:
  LutSource(std::string name, Grid grid, StoredBand band, std::shared_ptr<const Lut> lut)
      : ComputedSource{std::move(name), std::move(grid), std::move(band)}, lut_{std::move(lut)} {}
  [[nodiscard]] std::unique_ptr<RasterReader> reader() const override { return std::make_unique<LutReader>(lut_); }

 private:
  std::shared_ptr<const Lut> lut_;
};

}  // namespace

std::shared_ptr<const RasterSource> open_sentinel1_lut(const CompanionRequest& request, const Grid& grid) {
  const auto path = request.path.empty() ? find_beside(request.scene) : request.path;
  auto lut = parse_lut(path, request, grid);
  StoredBand band;
  band.description = fmt::format("{} of {}", element_of(request.values), file_name(path));
  return std::make_shared<LutSource>(path, grid, std::move(band), std::move(lut));
}

}  // namespace fulmar
