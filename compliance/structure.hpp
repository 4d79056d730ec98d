// The rows of the documents that an initiative follows, as `features.json` beside it tells them:
// what is a feature's state of support, what is recommended, and which checks stand under each.
#pragma once

#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// Whose business a feature is. Only what is the customer's has a score of its own.
enum class FeatureState : std::uint8_t { kCustomer, kInherited, kNotAvailable };
[[nodiscard]] std::string_view to_string(FeatureState state) noexcept;

/// A feature of a control, with the three answers of its document, spelled as there.
struct Feature {
  std::string id;
  std::string control;
  std::string name;
  std::string supported;
  std::string enabled_by_default;
  std::string responsibility;
  FeatureState state = FeatureState::kCustomer;
  std::string summary;
  std::vector<std::string> checks;    // references of the initiative
  std::vector<std::string> see_also;  // of other rows
};

struct Recommendation {
  std::string id;
  std::string control;
  std::string area;
  std::string name;
  std::string note;
  std::vector<std::string> checks;
  std::vector<std::string> see_also;
};

/// What a document says under a feature that nothing can be checked of.
struct Information {
  std::string id;
  std::string feature;
  std::string state;  // `inherited`, `notAvailable`, `manual`, `emptySection`
  std::string name;
  std::string text;
};

/// In the order of the file.
struct Structure {
  std::vector<Feature> features;
  std::vector<Recommendation> recommendations;
  std::vector<Information> information;
};

/// What the initiative itself has, that rows may name.
struct KnownNames {
  std::vector<std::string> controls;
  std::vector<std::string> references;
};

/// Strict: unknown and repeated keys, ids that are used twice, checks that stand under two rows,
/// and names that the initiative does not have are errors, with file, line and column.
[[nodiscard]] core::Result<Structure> parse_structure(std::string_view text,
                                                      std::string_view path,
                                                      const KnownNames& known);

}  // namespace plumbline::compliance
