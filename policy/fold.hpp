// Comparison of text without regard to case. ASCII takes a fast path; beyond it simple Unicode
// folding, and the few letters that fold to several (sharp s, Latin ligatures), as a
// culture-invariant comparison does.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::policy {

/// The text with case folded away: two texts are equal ignoring case when their folds are equal.
[[nodiscard]] std::string fold_case(std::string_view text);

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);
/// Names of properties and tags: letter by letter, so that a sharp s is not "ss".
[[nodiscard]] bool same_name(std::string_view a, std::string_view b);
/// Negative, zero or positive; by folded code units.
[[nodiscard]] int compare_ignoring_case(std::string_view a, std::string_view b);
[[nodiscard]] bool contains_ignoring_case(std::string_view text, std::string_view part);
[[nodiscard]] bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);
[[nodiscard]] bool ends_with_ignoring_case(std::string_view text, std::string_view suffix);

/// Index in code points of the first (or last) occurrence.
[[nodiscard]] std::optional<std::size_t> find_ignoring_case(std::string_view text,
                                                            std::string_view part,
                                                            bool last);

[[nodiscard]] bool is_ascii(std::string_view text) noexcept;
/// Byte length of the code point at the front of a non-empty text; 1 for a malformed one.
[[nodiscard]] std::size_t code_point_size(std::string_view text) noexcept;
/// The code points of a text, each as its bytes.
[[nodiscard]] std::vector<std::string_view> code_points(std::string_view text);
[[nodiscard]] std::size_t count_code_points(std::string_view text) noexcept;

/// Whether a code point, given as its bytes, is a letter of the basic plane.
[[nodiscard]] bool is_letter(std::string_view point);

/// toLower / toUpper, one code point to one.
[[nodiscard]] std::string lower_text(std::string_view text);
[[nodiscard]] std::string upper_text(std::string_view text);

}  // namespace plumbline::policy
