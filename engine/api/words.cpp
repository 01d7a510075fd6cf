// SPDX-License-Identifier: Apache-2.0
#include "api/words.hpp"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

namespace fulmar {
namespace {

bool is_marks(std::string_view line) {
  return line.find('^') != std::string_view::npos && line.find_first_not_of(" ^") == std::string_view::npos;
}

bool is_of_a_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-'; }

/// Where what begins here in single quotes ends, behind the closing one; 0 where nothing does: an apostrophe is none.
std::size_t end_of_quoted(std::string_view line, std::size_t at) {
  const auto alphanumeric = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  if (line[at] != '\'' || (at > 0 && alphanumeric(line[at - 1]))) return 0;
  for (std::size_t end = line.find('\'', at + 1); end != std::string_view::npos; end = line.find('\'', end + 1))
    if (end + 1 == line.size() || !alphanumeric(line[end + 1])) return end + 1;
  return 0;
}

/// True where a word stands, and no longer one: --memory-limit is not --memory.
bool stands(std::string_view text, std::string_view word) {
  return text.starts_with(word) &&
         (text.size() == word.size() || !is_of_a_word(word.back()) || !is_of_a_word(text[word.size()]));
}

}  // namespace

Words::Words(const std::map<std::string, std::string>& own)
    : words_{{"--memory", "EngineSettings::memory"},
             {"--threads", "EngineSettings::threads"},
             {"--backend cpu", "Backend::cpu"},
             {"--backend cuda", "Backend::cuda"},
             {"--overwrite", "Job::overwrite()"},
             {"--plugin", "EngineSettings::plugins"},
             {"with --set ", "as "},
             {"--set ", ""},
             {"`fulmar list` names", "Engine::operators() names"},
             {"fulmar recipes names", "Engine::recipes() names"}} {
  for (const auto& [word, mine] : own) words_[word] = mine;
}

std::string Words::in(const std::string& sentence) const {
  std::string out;
  const std::string_view all{sentence};
  for (std::size_t begin = 0; begin <= all.size();) {
    const std::size_t end = std::min(all.find('\n', begin), all.size());
    const std::string_view line = all.substr(begin, end - begin);
    const std::string_view rest = end < all.size() ? all.substr(end + 1) : std::string_view{};
    const bool shown = is_marks(rest.substr(0, rest.find('\n')));
    for (std::size_t i = 0; i < line.size();) {
      // What is quoted, such as a path, is the user's.
      if (const std::size_t quoted = end_of_quoted(line, i); quoted > 0) {
        out += line.substr(i, quoted - i);
        i = quoted;
        continue;
      }
      // The longest word that stands here.
      const std::pair<const std::string, std::string>* found = nullptr;
      for (const auto& word : words_)
        if (!shown && !word.first.empty() && stands(line.substr(i), word.first) &&
            (found == nullptr || word.first.size() > found->first.size()))
          found = &word;
      out += found != nullptr ? found->second : std::string{line[i]};
      i += found != nullptr ? found->first.size() : 1;
    }
    if (end < all.size()) out += '\n';
    begin = end + 1;
  }
  return out;
}

Error Words::in(const Error& error) const {
  Error said{error.code(), in(error.message())};
  for (const std::string& frame : error.frames()) said.within(in(frame));
  return said;
}

}  // namespace fulmar
