#include "policy/fold.hpp"

#include "core/text.hpp"
#include "policy/unicode_tables.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>

namespace plumbline::policy {

namespace {

char32_t decode(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  switch (bytes.size()) {
    case 2:
      return (static_cast<char32_t>(at(0) & 0x1FU) << 6U) | (at(1) & 0x3FU);
    case 3:
      return (static_cast<char32_t>(at(0) & 0x0FU) << 12U) |
             (static_cast<char32_t>(at(1) & 0x3FU) << 6U) | (at(2) & 0x3FU);
    case 4:
      return (static_cast<char32_t>(at(0) & 0x07U) << 18U) |
             (static_cast<char32_t>(at(1) & 0x3FU) << 12U) |
             (static_cast<char32_t>(at(2) & 0x3FU) << 6U) | (at(3) & 0x3FU);
    default:
      return at(0);
  }
}

void encode(char32_t c, std::string& out) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | (c >> 6U));
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12U));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | (c >> 18U));
    put(0x80U | ((c >> 12U) & 0x3FU));
    put(0x80U | ((c >> 6U) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

constexpr char32_t shifted(char32_t c, std::int32_t distance) {
  return static_cast<char32_t>(static_cast<std::int32_t>(c) + distance);
}

constexpr char32_t kFinalSigma = 0x3C2;
constexpr char32_t kSigma = 0x3A3;
constexpr char32_t kSharpS = 0xDF;
constexpr char32_t kCapitalSharpS = 0x1E9E;

/// The same runs in the order of their lower-case letters.
constexpr auto kRunsByLower = [] {
  auto runs = std::to_array(kCaseRuns);
  std::ranges::sort(runs, {}, [](const CaseRun& run) { return shifted(run.first, run.distance); });
  return runs;
}();

/// The letter between an upper-case digraph and its lower case, as in U+01C5: only its first part
/// is upper case.
bool is_titlecase_digraph(char32_t c) {
  return c == 0x1C5 || c == 0x1C8 || c == 0x1CB || c == 0x1F2;
}

char32_t lower_code_point(char32_t c) {
  if (c == kCapitalSharpS) {
    return kSharpS;
  }
  if (is_titlecase_digraph(c)) {
    return c + 1;
  }
  const auto* const next = std::ranges::upper_bound(kCaseRuns, c, {}, &CaseRun::first);
  if (next == std::begin(kCaseRuns)) {
    return c;
  }
  const CaseRun& run = *std::prev(next);
  return c <= run.last && (c - run.first) % run.step == 0 ? shifted(c, run.distance) : c;
}

char32_t upper_code_point(char32_t c) {
  if (c == kFinalSigma) {
    return kSigma;
  }
  if (is_titlecase_digraph(c)) {
    return c - 1;
  }
  const auto* const next = std::ranges::upper_bound(
      kRunsByLower, c, {}, [](const CaseRun& run) { return shifted(run.first, run.distance); });
  if (next == kRunsByLower.begin()) {
    return c;
  }
  const CaseRun& run = *std::prev(next);
  const char32_t upper = shifted(c, -run.distance);
  return upper <= run.last && (upper - run.first) % run.step == 0 ? upper : c;
}

void append_folded(char32_t c, std::string& out) {
  static constexpr std::string_view kLigatures[] = {"ff", "fi", "fl", "ffi", "ffl", "st", "st"};
  if (c == kSharpS || c == kCapitalSharpS) {
    out += "ss";
  } else if (c >= 0xFB00 && c <= 0xFB06) {
    out += kLigatures[c - 0xFB00];
  } else if (c == kFinalSigma) {
    encode(lower_code_point(kSigma), out);
  } else if (c == 0x17F) {
    out += 's';
  } else if (c == 0x212A) {
    out += 'k';
  } else {
    encode(lower_code_point(c), out);
  }
}

template <class F>
std::string map_text(std::string_view text, F f) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto size = code_point_size(text);
    if (size == 1) {
      // A malformed byte stays as it is: it must not turn into a code point of its own.
      const char c = text.front();
      if (static_cast<std::uint8_t>(c) < 0x80) {
        f(static_cast<char32_t>(c), out);
      } else {
        out.push_back(c);
      }
    } else {
      f(decode(text.substr(0, size)), out);
    }
    text.remove_prefix(size);
  }
  return out;
}

}  // namespace

bool is_ascii(std::string_view text) noexcept {
  constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  std::uint64_t seen = 0;
  while (text.size() >= sizeof seen) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof word);
    seen |= word;
    text.remove_prefix(sizeof word);
  }
  for (const char c : text) {
    seen |= static_cast<std::uint8_t>(c);
  }
  return (seen & kHighBits) == 0;
}

std::size_t code_point_size(std::string_view text) noexcept {
  const auto lead = static_cast<std::uint8_t>(text.front());
  const std::size_t size = lead < 0x80   ? 1
                           : lead < 0xC0 ? 1
                           : lead < 0xE0 ? 2
                           : lead < 0xF0 ? 3
                                         : 4;
  if (size > text.size()) {
    return 1;
  }
  for (std::size_t i = 1; i < size; ++i) {
    if ((static_cast<std::uint8_t>(text[i]) & 0xC0U) != 0x80U) {
      return 1;
    }
  }
  return size;
}

std::vector<std::string_view> code_points(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto size = code_point_size(text);
    out.push_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return out;
}

std::size_t count_code_points(std::string_view text) noexcept {
  std::size_t count = 0;
  while (!text.empty()) {
    text.remove_prefix(code_point_size(text));
    ++count;
  }
  return count;
}

std::string fold_case(std::string_view text) {
  if (is_ascii(text)) {
    return core::to_lower(text);
  }
  return map_text(text, append_folded);
}

std::string lower_text(std::string_view text) {
  return map_text(text, [](char32_t c, std::string& out) { encode(lower_code_point(c), out); });
}

std::string upper_text(std::string_view text) {
  return map_text(text, [](char32_t c, std::string& out) { encode(upper_code_point(c), out); });
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (core::iequals(a, b)) {
    return true;
  }
  return !(is_ascii(a) && is_ascii(b)) && fold_case(a) == fold_case(b);
}

bool same_name(std::string_view a, std::string_view b) {
  return core::iequals(a, b) || (!is_ascii(a) && !is_ascii(b) && upper_text(a) == upper_text(b));
}

bool is_letter(std::string_view point) {
  const char32_t c = decode(point);
  if (c < 0x80) {
    const char lower = core::ascii_lower(static_cast<char>(c));
    return lower >= 'a' && lower <= 'z';
  }
  const auto* const next = std::ranges::upper_bound(kLetters, c, {}, &LetterRange::first);
  return point.size() > 1 && next != std::begin(kLetters) && c <= std::prev(next)->last;
}

int compare_ignoring_case(std::string_view a, std::string_view b) {
  return fold_case(a).compare(fold_case(b));
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  if (is_ascii(text) && is_ascii(part)) {
    return !std::ranges::search(text, part, {}, core::ascii_lower, core::ascii_lower).empty() ||
           part.empty();
  }
  return fold_case(text).contains(fold_case(part));
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  if (is_ascii(text) && is_ascii(prefix)) {
    return core::istarts_with(text, prefix);
  }
  return fold_case(text).starts_with(fold_case(prefix));
}

bool ends_with_ignoring_case(std::string_view text, std::string_view suffix) {
  if (is_ascii(text) && is_ascii(suffix)) {
    return core::iends_with(text, suffix);
  }
  return fold_case(text).ends_with(fold_case(suffix));
}

std::optional<std::size_t> find_ignoring_case(std::string_view text,
                                              std::string_view part,
                                              bool last) {
  // The folded text keeps a note of where each code point begins, because folding may lengthen it.
  std::string folded;
  std::vector<std::size_t> starts;
  for (const auto point : code_points(text)) {
    starts.push_back(folded.size());
    folded += fold_case(point);
  }
  starts.push_back(folded.size());
  const std::string wanted = fold_case(part);
  std::size_t position = last ? folded.rfind(wanted) : folded.find(wanted);
  while (position != std::string::npos) {
    const auto found = std::ranges::lower_bound(starts, position);
    if (found != starts.end() && *found == position) {
      return static_cast<std::size_t>(found - starts.begin());
    }
    if (last && position == 0) {
      break;
    }
    position = last ? folded.rfind(wanted, position - 1) : folded.find(wanted, position + 1);
  }
  return std::nullopt;
}

}  // namespace plumbline::policy
