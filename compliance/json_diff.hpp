// The difference between two versions of a configuration, property by property.
//
// Its paths name properties for people and for the identity of drift: an element of an array is
// named by what identifies it, so that a path stays the same while the array is reordered. They are
// therefore no paths of a JSON patch, which has to count: whoever needs a patch that can be applied
// (RFC 6902) makes one from the two bodies (daemon/history_json).
#pragma once

#include <simdjson.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace plumbline::compliance {

/// One property that differs: its path, written like a JSON pointer (RFC 6901), and both values as
/// JSON text; empty text: absent. A text of more than kMaxDiffValue bytes is cut and ends in a
/// digest of the whole, so that values that differ never read the same.
struct JsonChange {
  std::string path;
  std::string old_value;
  std::string new_value;
  auto operator<=>(const JsonChange&) const = default;
};

inline constexpr std::size_t kMaxDiffValue = 1024;
/// Differences are told this deep; what lies deeper counts to the value there.
inline constexpr std::size_t kMaxDiffDepth = 48;
/// Where there are more, properties further up are told to have changed instead, so that no
/// difference is left out.
inline constexpr std::size_t kMaxDifferences = 500;

/// Segments of a path, unescaped.
using DiffPath = std::span<const std::string_view>;

/// What a comparison is told of a place. Names in a path may be in any letters.
class DiffRules {
 public:
  struct Unordered {
    /// Properties that tell elements apart: the first of them that an element has. Empty: `id`,
    /// `name` or `key`.
    std::vector<std::string> by;
  };

  virtual ~DiffRules() = default;
  /// Whatever differs here or below tells nothing.
  [[nodiscard]] virtual bool is_ignored(DiffPath path) const = 0;
  [[nodiscard]] virtual bool ignores_case(DiffPath path) const = 0;
  /// Null: the order of the array's elements matters.
  [[nodiscard]] virtual const Unordered* unordered(DiffPath path) const = 0;
  /// Whether a value says what its absence says.
  [[nodiscard]] virtual bool is_default(DiffPath path, simdjson::dom::element value) const = 0;
};

/// What differs, in the order of paths.
///
/// The order of properties and the letters of resource ids tell nothing. Arrays of objects are
/// compared element by element where all elements of both have an `id`, else a `name`, else a
/// `key`, and no two the same; the path's segment is then that identity (an id in lower case), and
/// order tells nothing. Arrays that `rules` declares unordered are compared as multisets: the
/// segment is the scalar itself, or a digest of the object. Other arrays are compared by position.
[[nodiscard]] std::vector<JsonChange> diff_json(simdjson::dom::element before,
                                                simdjson::dom::element after,
                                                const DiffRules* rules = nullptr);

/// The segments of a path, unescaped.
[[nodiscard]] std::vector<std::string> pointer_segments(std::string_view path);

}  // namespace plumbline::compliance
