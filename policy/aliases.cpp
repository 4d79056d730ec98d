#include "policy/aliases.hpp"

#include "core/text.hpp"
#include "policy/suggestion.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <zstd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <unordered_map>

extern "C" {
// Defined by shipped_aliases.S. Arrays of unknown bound: only their addresses mean something.
extern const char plumbline_alias_catalogue_begin[];  // NOLINT(readability-identifier-naming)
extern const char plumbline_alias_catalogue_end[];    // NOLINT(readability-identifier-naming)
}

namespace plumbline::policy {

namespace {

constexpr std::size_t kMaxCatalogueBytes = std::size_t{64} << 20U;

/// Reads the packed form; every read is checked, so that a damaged file cannot lead astray.
class PackedReader {
 public:
  explicit PackedReader(std::string_view data) : data_(data) {}

  [[nodiscard]] bool ok() const noexcept { return ok_; }

  [[nodiscard]] bool done() const noexcept { return at_ >= data_.size(); }

  [[nodiscard]] std::size_t position() const noexcept { return at_; }

  std::uint32_t u32() {
    const auto bytes = take(4);
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[i])) << (8U * i);
    }
    return value;
  }

  std::size_t varint() {
    std::size_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
      const auto byte = take(1);
      if (byte.empty()) {
        return 0;
      }
      const auto bits = static_cast<std::uint8_t>(byte.front());
      value |= static_cast<std::size_t>(bits & 0x7FU) << shift;
      if ((bits & 0x80U) == 0) {
        return value;
      }
    }
    ok_ = false;
    return 0;
  }

  std::string_view take(std::size_t count) {
    if (!ok_ || count > data_.size() - at_) {
      ok_ = false;
      return {};
    }
    const auto out = data_.substr(at_, count);
    at_ += count;
    return out;
  }

 private:
  std::string_view data_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

struct PackedEntry {
  std::string name;
  std::size_t type = 0;
  std::size_t path_code = 0;
  std::string_view path;
};

bool read_entry(PackedReader& reader, PackedEntry& entry) {
  const std::size_t shared = reader.varint();
  const std::size_t rest = reader.varint();
  const auto text = reader.take(rest);
  if (!reader.ok() || shared > entry.name.size()) {
    return false;
  }
  entry.name.resize(shared);
  entry.name += text;
  entry.type = reader.varint();
  entry.path_code = reader.varint();
  entry.path = entry.path_code == 2 ? reader.take(reader.varint()) : std::string_view();
  return reader.ok();
}

/// Negative, zero or positive; both as if lower-cased.
int compare_names(std::string_view a, std::string_view b) {
  const std::size_t common = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < common; ++i) {
    const auto x = static_cast<std::uint8_t>(core::ascii_lower(a[i]));
    const auto y = static_cast<std::uint8_t>(core::ascii_lower(b[i]));
    if (x != y) {
      return x < y ? -1 : 1;
    }
  }
  return a.size() == b.size() ? 0 : a.size() < b.size() ? -1 : 1;
}

/// Remembers the closest name seen.
class Closest {
 public:
  explicit Closest(std::string_view wanted)
      : wanted_(core::to_lower(wanted)), best_(std::min<std::size_t>(4, 1 + wanted.size() / 8)) {}

  void offer(std::string_view name) {
    const std::size_t gap =
        name.size() > wanted_.size() ? name.size() - wanted_.size() : wanted_.size() - name.size();
    if (gap >= best_) {
      return;
    }
    // A slip of the pen sits in one place: most of the name agrees before and behind it. This
    // spares nearly every candidate the full comparison.
    constexpr std::size_t kSlip = 12;
    if (agreement(name) + kSlip < wanted_.size()) {
      return;
    }
    const auto distance = edit_distance(core::to_lower(name), wanted_, best_ - 1);
    if (distance < best_) {
      best_ = distance;
      name_ = name;
    }
  }

  [[nodiscard]] std::optional<std::string> name() const {
    return name_.empty() ? std::nullopt : std::optional(name_);
  }

 private:
  /// Characters that agree from the front, and from the back.
  [[nodiscard]] std::size_t agreement(std::string_view name) const {
    const std::size_t common = std::min(name.size(), wanted_.size());
    std::size_t front = 0;
    while (front < common && core::ascii_lower(name[front]) == wanted_[front]) {
      ++front;
    }
    std::size_t back = 0;
    while (back < common - front &&
           core::ascii_lower(name[name.size() - 1 - back]) == wanted_[wanted_.size() - 1 - back]) {
      ++back;
    }
    return front + back;
  }

  std::string wanted_;
  std::size_t best_;
  std::string name_;
};

/// The shipped catalogue, searched in its packed form: entries share prefixes, every 16th stands
/// alone, and a look-up decodes at most 16 beyond the binary search.
class PackedCatalogue final : public AliasSource {
 public:
  static core::Result<std::shared_ptr<const AliasCatalogue>> load(std::string_view compressed) {
    const auto damaged = [] {
      return core::Error{core::Errc::kCorrupt, "the built-in alias catalogue is damaged"};
    };
    const auto size = ZSTD_getFrameContentSize(compressed.data(), compressed.size());
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ||
        size > kMaxCatalogueBytes) {
      return damaged();
    }
    auto catalogue = std::make_shared<PackedCatalogue>();
    catalogue->data_.resize(size);
    const auto written = ZSTD_decompress(
        catalogue->data_.data(), catalogue->data_.size(), compressed.data(), compressed.size());
    if (ZSTD_isError(written) != 0 || written != size || !catalogue->index()) {
      return damaged();
    }
    return std::shared_ptr<const AliasCatalogue>(std::move(catalogue));
  }

  [[nodiscard]] std::vector<AliasTarget> find(std::string_view name) const override {
    // The last restart whose name sorts before the wanted one; equal names may span restarts.
    std::size_t low = 0;
    std::size_t high = restarts_.size();
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      PackedReader reader(entries_.substr(restarts_[middle]));
      PackedEntry entry;
      if (!read_entry(reader, entry)) {
        return {};
      }
      if (compare_names(entry.name, name) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    std::vector<AliasTarget> found;
    if (restarts_.empty()) {
      return found;
    }
    PackedReader reader(entries_.substr(restarts_[low == 0 ? 0 : low - 1]));
    PackedEntry entry;
    while (!reader.done() && read_entry(reader, entry)) {
      const int order = compare_names(entry.name, name);
      if (order > 0) {
        break;
      }
      if (order == 0 && entry.type < types_.size()) {
        found.push_back(
            {.type = core::to_lower(types_[entry.type]), .default_path = path_of(entry)});
      }
    }
    return found;
  }

  [[nodiscard]] std::optional<std::string> suggest(std::string_view name) const override {
    Closest closest(name);
    PackedReader reader(entries_);
    PackedEntry entry;
    while (!reader.done() && read_entry(reader, entry)) {
      closest.offer(entry.name);
    }
    return closest.name();
  }

 private:
  bool index() {
    PackedReader reader(data_);
    if (reader.take(4) != "PLA1") {
      return false;
    }
    const std::size_t types = reader.u32();
    reader.u32();  // number of entries
    const std::size_t restarts = reader.u32();
    if (types > data_.size() || restarts > data_.size() / 4) {
      return false;
    }
    for (std::size_t i = 0; i < types && reader.ok(); ++i) {
      types_.push_back(reader.take(reader.varint()));
    }
    for (std::size_t i = 0; i < restarts && reader.ok(); ++i) {
      restarts_.push_back(reader.u32());
    }
    if (!reader.ok()) {
      return false;
    }
    entries_ = std::string_view(data_).substr(reader.position());
    return std::ranges::all_of(restarts_, [&](std::size_t r) { return r < entries_.size(); });
  }

  [[nodiscard]] std::string path_of(const PackedEntry& entry) const {
    if (entry.path_code == 2) {
      return std::string(entry.path);
    }
    const std::size_t prefix = types_[entry.type].size() + 1;
    std::string tail = entry.name.size() > prefix ? entry.name.substr(prefix) : std::string();
    return entry.path_code == 0 ? "properties." + tail : tail;
  }

  std::string data_;
  std::string_view entries_;  // in data_
  std::vector<std::string_view> types_;
  std::vector<std::size_t> restarts_;
};

/// A catalogue read from provider metadata.
class ListedCatalogue final : public AliasSource {
 public:
  static core::Result<std::shared_ptr<const ListedCatalogue>> parse(std::string_view json,
                                                                    std::string_view source) {
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    if (const auto error = parser.parse(simdjson::padded_string(json)).get(root)) {
      return core::Error{
          core::Errc::kParse,
          fmt::format("{}: invalid JSON: {}", source, simdjson::error_message(error))};
    }
    auto catalogue = std::make_shared<ListedCatalogue>();
    simdjson::dom::array providers;
    if (root.get(providers) == simdjson::SUCCESS ||
        root["value"].get(providers) == simdjson::SUCCESS) {
      for (const auto provider : providers) {
        catalogue->add_provider(provider);
      }
    } else if (root["namespace"].is_string()) {
      catalogue->add_provider(root);
    } else {
      return core::Error{core::Errc::kParse,
                         fmt::format("{}: expected a list of resource providers", source)};
    }
    return std::shared_ptr<const ListedCatalogue>(std::move(catalogue));
  }

  /// Calls `visit(name, target)` for every alias.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [key, entry] : entries_) {
      for (const auto& target : entry.targets) {
        visit(entry.name, target);
      }
    }
  }

  [[nodiscard]] std::vector<AliasTarget> find(std::string_view name) const override {
    const auto found = entries_.find(core::to_lower(name));
    return found == entries_.end() ? std::vector<AliasTarget>() : found->second.targets;
  }

  [[nodiscard]] std::optional<std::string> suggest(std::string_view name) const override {
    Closest closest(name);
    for (const auto& [key, entry] : entries_) {
      closest.offer(entry.name);
    }
    return closest.name();
  }

 private:
  struct Entry {
    std::string name;
    std::vector<AliasTarget> targets;
  };

  void add_provider(simdjson::dom::element provider) {
    std::string_view space;
    simdjson::dom::array types;
    if (provider["namespace"].get(space) != simdjson::SUCCESS ||
        provider["resourceTypes"].get(types) != simdjson::SUCCESS) {
      return;
    }
    for (const auto type : types) {
      std::string_view name;
      simdjson::dom::array aliases;
      if (type["resourceType"].get(name) != simdjson::SUCCESS ||
          type["aliases"].get(aliases) != simdjson::SUCCESS) {
        continue;
      }
      const std::string full = core::to_lower(fmt::format("{}/{}", space, name));
      for (const auto alias : aliases) {
        add_alias(full, alias);
      }
    }
  }

  void add_alias(const std::string& type, simdjson::dom::element alias) {
    std::string_view name;
    if (alias["name"].get(name) != simdjson::SUCCESS) {
      return;
    }
    AliasTarget target{.type = type};
    std::string_view text;
    if (alias["defaultPath"].get(text) == simdjson::SUCCESS) {
      target.default_path = text;
    }
    if (alias["defaultMetadata"]["attributes"].get(text) == simdjson::SUCCESS) {
      target.modifiable = core::iequals(text, "Modifiable");
    }
    simdjson::dom::array paths;
    if (alias["paths"].get(paths) == simdjson::SUCCESS) {
      for (const auto entry : paths) {
        simdjson::dom::array versions;
        if (entry["path"].get(text) != simdjson::SUCCESS ||
            entry["apiVersions"].get(versions) != simdjson::SUCCESS) {
          continue;
        }
        auto& [path, api_versions] =
            target.paths.emplace_back(std::string(text), std::vector<std::string>());
        for (const auto version : versions) {
          if (version.get(text) == simdjson::SUCCESS) {
            api_versions.push_back(core::to_lower(text));
          }
        }
        if (target.default_path.empty()) {
          target.default_path = path;
        }
      }
    }
    if (target.default_path.empty()) {
      return;
    }
    Entry& entry = entries_[core::to_lower(name)];
    entry.name = name;
    entry.targets.push_back(std::move(target));
  }

  std::unordered_map<std::string, Entry> entries_;
};

const AliasSource& as_source(const AliasCatalogue& catalogue) {
  return static_cast<const AliasSource&>(catalogue);
}

/// What a newer catalogue says decides; what it does not say, the older one does.
class OverlaidCatalogue final : public AliasSource {
 public:
  OverlaidCatalogue(std::shared_ptr<const AliasCatalogue> base,
                    std::shared_ptr<const AliasCatalogue> newer)
      : base_(std::move(base)), newer_(std::move(newer)) {}

  [[nodiscard]] std::vector<AliasTarget> find(std::string_view name) const override {
    auto found = as_source(*newer_).find(name);
    for (auto& target : as_source(*base_).find(name)) {
      if (std::ranges::find(found, target.type, &AliasTarget::type) == found.end()) {
        found.push_back(std::move(target));
      }
    }
    return found;
  }

  [[nodiscard]] std::optional<std::string> suggest(std::string_view name) const override {
    auto suggestion = as_source(*newer_).suggest(name);
    return suggestion ? suggestion : as_source(*base_).suggest(name);
  }

 private:
  std::shared_ptr<const AliasCatalogue> base_;
  std::shared_ptr<const AliasCatalogue> newer_;
};

using AliasesByType = std::map<std::string, std::map<std::string, AliasTarget>>;

/// In the form of ARM's provider metadata, as far as `ListedCatalogue` reads it.
std::string to_provider_metadata(const AliasesByType& by_type) {
  using nlohmann::json;
  std::map<std::string, json> providers;
  for (const auto& [type, aliases] : by_type) {
    json listed = json::array();
    for (const auto& [name, target] : aliases) {
      json alias = {{"name", name}, {"defaultPath", target.default_path}};
      for (const auto& [path, versions] : target.paths) {
        alias["paths"].push_back({{"path", path}, {"apiVersions", versions}});
      }
      if (target.modifiable) {
        alias["defaultMetadata"] = {{"attributes", *target.modifiable ? "Modifiable" : "None"}};
      }
      listed.push_back(std::move(alias));
    }
    const auto slash = type.find('/');
    auto& provider = providers[type.substr(0, slash)];
    provider["namespace"] = type.substr(0, slash);
    provider["resourceTypes"].push_back(
        {{"resourceType", type.substr(slash + 1)}, {"aliases", std::move(listed)}});
  }
  json value = json::array();
  for (auto& [name, provider] : providers) {
    value.push_back(std::move(provider));
  }
  return json{{"value", std::move(value)}}.dump();
}

class RawPaths final : public AliasSource {
 public:
  [[nodiscard]] std::vector<AliasTarget> find(std::string_view /*name*/) const override {
    return {};
  }

  [[nodiscard]] std::optional<std::string> suggest(std::string_view /*name*/) const override {
    return std::nullopt;
  }

  [[nodiscard]] bool raw() const override { return true; }
};

}  // namespace

core::Result<std::shared_ptr<const AliasCatalogue>> AliasCatalogue::shipped() {
  const auto size =
      static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(plumbline_alias_catalogue_end) -
                               reinterpret_cast<std::uintptr_t>(plumbline_alias_catalogue_begin));
  return PackedCatalogue::load({plumbline_alias_catalogue_begin, size});
}

core::Result<std::shared_ptr<const AliasCatalogue>> AliasCatalogue::from_providers(
    std::string_view json, std::string_view source) {
  auto catalogue = ListedCatalogue::parse(json, source);
  if (!catalogue) {
    return catalogue.error();
  }
  return std::shared_ptr<const AliasCatalogue>(*std::move(catalogue));
}

std::shared_ptr<const AliasCatalogue> AliasCatalogue::overlaid(
    std::shared_ptr<const AliasCatalogue> base, std::shared_ptr<const AliasCatalogue> newer) {
  return std::make_shared<OverlaidCatalogue>(std::move(base), std::move(newer));
}

core::Result<std::string> alias_differences(const AliasCatalogue& base,
                                            std::string_view providers_json,
                                            std::string_view source) {
  const auto listed = ListedCatalogue::parse(providers_json, source);
  if (!listed) {
    return listed.error();
  }
  const auto& known = as_source(base);
  AliasesByType by_type;
  (*listed)->for_each([&](const std::string& name, AliasTarget target) {
    // Paths that say again what the default path says are most of the text.
    std::erase_if(target.paths,
                  [&](const auto& path) { return core::iequals(path.first, target.default_path); });
    const auto targets = known.find(name);
    const auto same = std::ranges::find(targets, target.type, &AliasTarget::type);
    if (!target.paths.empty() || same == targets.end() ||
        !core::iequals(same->default_path, target.default_path)) {
      std::string type = target.type;
      by_type[std::move(type)].insert_or_assign(name, std::move(target));
    }
  });
  return to_provider_metadata(by_type);
}

std::shared_ptr<const AliasCatalogue> AliasCatalogue::raw_paths() {
  return std::make_shared<RawPaths>();
}

std::vector<AliasTarget> find_alias(const AliasSource& source, std::string_view name) {
  auto found = source.find(name);
  if (found.empty() && !name.ends_with("[*]")) {
    found = source.find(std::string(name) + "[*]");
    const auto strip = [](std::string& path) {
      if (path.ends_with("[*]")) {
        path.resize(path.size() - 3);
      }
    };
    for (auto& target : found) {
      strip(target.default_path);
      for (auto& [path, versions] : target.paths) {
        strip(path);
      }
    }
  }
  return found;
}

}  // namespace plumbline::policy
