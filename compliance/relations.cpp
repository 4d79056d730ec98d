#include "compliance/relations.hpp"

#include "compliance/strict_json.hpp"
#include "core/digest.hpp"
#include "core/model/collection_plan.hpp"
#include "core/resource_id.hpp"
#include "core/text.hpp"
#include "policy/json_tree.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <span>

namespace plumbline::compliance {

using core::Error;
using core::Result;
using core::Status;
using policy::JsonNode;
using simdjson::dom::element;

namespace {

constexpr std::string_view kSubscriptionType = "microsoft.resources/subscriptions";
// Resource Graph gives a subscription the names of the groups above it, not their ids.
constexpr std::string_view kAncestorNames = "properties.managementGroupAncestorsChain[*].name";
constexpr std::string_view kResourceGroupType = "microsoft.resources/subscriptions/resourcegroups";

// Of relations inside relations; far beyond what anyone reads, and short of what a stack holds.
constexpr std::size_t kMaxDepth = 8;
constexpr std::size_t kMaxComposed = 3;

using Relations = std::vector<std::shared_ptr<const Relation>>;

bool contains(const std::vector<std::string>& sorted, std::string_view type) {
  return std::ranges::binary_search(sorted, type);
}

void normalise(std::vector<std::string>& values) {
  std::ranges::sort(values);
  values.erase(std::ranges::unique(values).begin(), values.end());
}

bool disjoint(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return !a.empty() && !b.empty() &&
         std::ranges::none_of(a, [&](const std::string& type) { return contains(b, type); });
}

/// Types that sit on whatever their id begins with, be it a subscription.
bool sits_on_anything(std::string_view type) {
  return core::is_extension_type(type) || type.starts_with("microsoft.authorization/");
}

/// The resource that `id` is an extension or a child of; empty: it stands for itself.
std::string parent_key(const core::ResourceId& id) {
  if (!id.parent.empty()) {
    return id.parent;
  }
  if (id.type == kResourceGroupType) {
    return id.subscription_key();
  }
  if (sits_on_anything(id.type)) {
    return id.resource_group.empty() ? id.subscription_key() : id.resource_group_key();
  }
  return {};
}

/// One step further up than parent_key: what holds a resource that stands for itself.
std::string container_key(const core::ResourceId& id) {
  auto parent = parent_key(id);
  if (parent.empty() && id.type != kSubscriptionType) {
    parent = id.resource_group.empty() ? id.subscription_key() : id.resource_group_key();
  }
  return parent;
}

/// The type that a special path leads to from a source type; empty: it depends on the source.
std::string special_target(RelationPath::Kind kind, std::string_view source_type) {
  switch (kind) {
    case RelationPath::Kind::kSubscription:
      return std::string(kSubscriptionType);
    case RelationPath::Kind::kResourceGroup:
      return std::string(kResourceGroupType);
    case RelationPath::Kind::kManagementGroups:
      return std::string(core::kManagementGroupType);
    case RelationPath::Kind::kParent: {
      const auto cut = source_type.rfind('/');
      const bool child = cut != std::string_view::npos && cut != source_type.find('/');
      return child && !sits_on_anything(source_type) ? std::string(source_type.substr(0, cut))
                                                     : std::string();
    }
    case RelationPath::Kind::kBody:
      break;
  }
  return {};
}

std::string_view path_kind_text(RelationPath::Kind kind) {
  switch (kind) {
    case RelationPath::Kind::kParent:
      return "$parent";
    case RelationPath::Kind::kSubscription:
      return "$subscription";
    case RelationPath::Kind::kResourceGroup:
      return "$resourceGroup";
    case RelationPath::Kind::kManagementGroups:
      return "$managementGroups";
    case RelationPath::Kind::kBody:
      break;
  }
  return {};
}

std::string describe(const Relation& relation) {
  std::vector<std::string> paths;
  paths.reserve(relation.paths.size());
  for (const auto& path : relation.paths) {
    paths.push_back(path.kind == RelationPath::Kind::kBody
                        ? core::to_lower(policy::path_text(path.steps))
                        : std::string(path_kind_text(path.kind)));
  }
  std::vector<std::string> parts;
  parts.reserve(relation.parts.size());
  for (const auto& part : relation.parts) {
    parts.push_back(fmt::format("{}={}", core::to_lower(part->name), part->definition));
  }
  return core::to_hex(core::sha256(fmt::format("{}({};{};{};{};{})",
                                               static_cast<int>(relation.kind),
                                               fmt::join(relation.source_types, ","),
                                               fmt::join(relation.target_types, ","),
                                               fmt::join(paths, ","),
                                               relation.ancestor,
                                               fmt::join(parts, ","))));
}

class RelationsParser {
 public:
  RelationsParser(std::string_view json, std::string_view source)
      : json_(json), source_(json, source) {}

  Result<Relations> parse() {
    auto root = policy::parse_json_tree(source_, json_);
    if (!root) {
      return root.error();
    }
    root_ = *std::move(root);
    if (auto keys = check_keys(source_, root_, "the document", {"relations"}); !keys) {
      return keys.error();
    }
    const JsonNode* entries = member(root_, "relations");
    if (entries == nullptr || !entries->is_array()) {
      return fail(entries == nullptr ? root_ : *entries, "`relations` must be an array");
    }
    for (const auto& entry : entries->items) {
      if (auto declared = declare(entry); !declared) {
        return declared.error();
      }
    }
    for (auto& draft : drafts_) {
      if (auto built = build(draft, 0); !built) {
        return built.error();
      }
    }
    return std::move(done_);
  }

 private:
  enum class State : std::uint8_t { kDeclared, kBeingBuilt, kBuilt };

  struct Draft {
    std::string name;
    const JsonNode* entry = nullptr;
    State state = State::kDeclared;
    std::shared_ptr<const Relation> built{};
  };

  [[nodiscard]] Error fail(const JsonNode& at, std::string_view message) const {
    return source_.error(at.offset, message);
  }

  Draft* find(std::string_view name) {
    const auto found = std::ranges::find_if(
        drafts_, [&](const Draft& draft) { return core::iequals(draft.name, name); });
    return found == drafts_.end() ? nullptr : &*found;
  }

  Status declare(const JsonNode& entry) {
    const JsonNode* name = entry.is_object() ? member(entry, "name") : nullptr;
    if (name == nullptr || !name->is_string() || name->text.empty()) {
      return fail(name == nullptr ? entry : *name, "a relation has no name");
    }
    const auto path = policy::parse_path(name->text);
    if (!path || path->size() != 1 || name->text.contains('[')) {
      return fail(*name, fmt::format("relation {}: a name has no dots or brackets", name->text));
    }
    if (find(name->text) != nullptr) {
      return fail(*name, fmt::format("relation {} is declared twice", name->text));
    }
    drafts_.push_back({name->text, &entry});
    return Status::ok();
  }

  Result<std::shared_ptr<const Relation>> build(Draft& draft, std::size_t depth) {
    if (draft.state == State::kBuilt) {
      return draft.built;
    }
    draft.state = State::kBeingBuilt;
    Relation relation;
    relation.name = draft.name;
    auto filled = fill(relation, *draft.entry, depth);
    if (!filled) {
      return filled.error();
    }
    normalise(relation.source_types);
    normalise(relation.target_types);
    relation.definition = describe(relation);
    draft.built = std::make_shared<const Relation>(std::move(relation));
    draft.state = State::kBuilt;
    done_.push_back(draft.built);
    return draft.built;
  }

  Status fill(Relation& relation, const JsonNode& entry, std::size_t depth) {
    const std::string what = fmt::format("relation {}", relation.name);
    if (const JsonNode* of = member(entry, "inverseOf")) {
      relation.kind = Relation::Kind::kInverse;
      auto keys = check_keys(source_, entry, what, {"name", "inverseOf"});
      return keys ? fill_inverse(relation, *of, depth) : keys;
    }
    if (const JsonNode* of = member(entry, "unionOf")) {
      relation.kind = Relation::Kind::kUnion;
      auto keys = check_keys(source_, entry, what, {"name", "unionOf"});
      return keys ? fill_union(relation, *of, depth) : keys;
    }
    if (const JsonNode* of = member(entry, "compositionOf")) {
      relation.kind = Relation::Kind::kComposition;
      auto keys = check_keys(source_, entry, what, {"name", "compositionOf"});
      return keys ? fill_composition(relation, *of, depth) : keys;
    }
    auto keys = check_keys(
        source_, entry, what, {"name", "sourceType", "path", "paths", "targetType", "ancestor"});
    return keys ? fill_forward(relation, entry) : keys;
  }

  /// The relation that `name` names, built. `role` says what it is to `relation`.
  Status add_part(Relation& relation,
                  const JsonNode& name,
                  std::string_view role,
                  std::size_t depth) {
    if (!name.is_string()) {
      return fail(name, fmt::format("relation {}: expected the name of a relation", relation.name));
    }
    Draft* draft = find(name.text);
    if (draft == nullptr) {
      return fail(
          name,
          fmt::format(
              "relation {} is {} {}, which is not declared", relation.name, role, name.text));
    }
    if (draft->state == State::kBeingBuilt) {
      return fail(
          name,
          fmt::format(
              "relation {} is {} {}, which leads back to it", relation.name, role, name.text));
    }
    // `depth` bounds the recursion here, `nesting` that of whoever follows the relation.
    const Error too_deep =
        fail(name,
             fmt::format(
                 "relation {}: relations are nested more than {} deep", relation.name, kMaxDepth));
    if (depth >= kMaxDepth) {
      return too_deep;
    }
    auto part = build(*draft, depth + 1);
    if (!part) {
      return part.error();
    }
    relation.nesting = std::max(relation.nesting, (*part)->nesting + 1);
    if (relation.nesting > kMaxDepth) {
      return too_deep;
    }
    relation.parts.push_back(*std::move(part));
    return Status::ok();
  }

  Status fill_inverse(Relation& relation, const JsonNode& of, std::size_t depth) {
    if (auto added = add_part(relation, of, "the inverse of", depth); !added) {
      return added;
    }
    const Relation& part = *relation.parts.front();
    if (part.kind == Relation::Kind::kInverse) {
      return fail(
          of,
          fmt::format("relation {} is the inverse of {}, which is an inverse itself: use {}",
                      relation.name,
                      part.name,
                      part.parts.front()->name));
    }
    relation.source_types = part.target_types;
    relation.target_types = part.source_types;
    return Status::ok();
  }

  Status add_parts(Relation& relation,
                   const JsonNode& of,
                   std::string_view role,
                   std::size_t depth) {
    for (const auto& name : of.items) {
      if (auto added = add_part(relation, name, role, depth); !added) {
        return added;
      }
    }
    return Status::ok();
  }

  Status fill_union(Relation& relation, const JsonNode& of, std::size_t depth) {
    if (!of.is_array() || of.items.size() < 2) {
      return fail(
          of,
          fmt::format("relation {}: `unionOf` must list at least two relations", relation.name));
    }
    if (auto added = add_parts(relation, of, "a union of", depth); !added) {
      return added;
    }
    for (auto part = relation.parts.begin(); part != relation.parts.end(); ++part) {
      if (std::find(relation.parts.begin(), part, *part) != part) {
        return fail(
            of, fmt::format("relation {}: `unionOf` names {} twice", relation.name, (*part)->name));
      }
    }
    relation.source_types = all_types(relation.parts, &Relation::source_types);
    relation.target_types = all_types(relation.parts, &Relation::target_types);
    return Status::ok();
  }

  /// Every type that one of the parts names; empty where one of them takes any.
  static std::vector<std::string> all_types(
      const std::vector<std::shared_ptr<const Relation>>& parts,
      std::vector<std::string> Relation::* types) {
    std::vector<std::string> out;
    for (const auto& part : parts) {
      const auto& some = (*part).*types;
      if (some.empty()) {
        return {};
      }
      out.insert(out.end(), some.begin(), some.end());
    }
    return out;
  }

  Status fill_composition(Relation& relation, const JsonNode& of, std::size_t depth) {
    if (!of.is_array() || of.items.size() < 2 || of.items.size() > kMaxComposed) {
      return fail(of,
                  fmt::format("relation {}: `compositionOf` must list two or three relations",
                              relation.name));
    }
    if (auto added = add_parts(relation, of, "a composition of", depth); !added) {
      return added;
    }
    for (std::size_t i = 1; i < relation.parts.size(); ++i) {
      const Relation& left = *relation.parts[i - 1];
      const Relation& right = *relation.parts[i];
      if (disjoint(left.target_types, right.source_types)) {
        return fail(of.items[i],
                    fmt::format("relation {}: {} leads to {}, but {} starts at {}",
                                relation.name,
                                left.name,
                                fmt::join(left.target_types, ", "),
                                right.name,
                                fmt::join(right.source_types, ", ")));
      }
    }
    relation.source_types = relation.parts.front()->source_types;
    relation.target_types = relation.parts.back()->target_types;
    return Status::ok();
  }

  /// A type or a list of types, lower case; nothing where `node` is null.
  Status read_types(const Relation& relation,
                    const JsonNode* node,
                    std::string_view key,
                    std::vector<std::string>& out) const {
    if (node == nullptr) {
      return Status::ok();
    }
    const auto items = node->is_array() ? std::span(node->items) : std::span(node, 1);
    for (const auto& item : items) {
      const auto cut = item.text.find('/');
      if (!item.is_string() || cut == 0 || cut == std::string::npos || item.text.ends_with('/')) {
        return fail(
            item,
            fmt::format(
                "relation {}: `{}` must be a resource type or a list of them", relation.name, key));
      }
      out.push_back(core::to_lower(item.text));
    }
    if (out.empty()) {
      return fail(*node, fmt::format("relation {}: `{}` lists no type", relation.name, key));
    }
    return Status::ok();
  }

  Status add_path(Relation& relation, const JsonNode& node) const {
    if (!node.is_string()) {
      return fail(node, fmt::format("relation {}: a path must be a string", relation.name));
    }
    RelationPath path;
    if (node.text.starts_with('$')) {
      constexpr std::array kSpecial = {RelationPath::Kind::kParent,
                                       RelationPath::Kind::kSubscription,
                                       RelationPath::Kind::kResourceGroup,
                                       RelationPath::Kind::kManagementGroups};
      const auto* found = std::ranges::find(kSpecial, node.text, path_kind_text);
      if (found == kSpecial.end()) {
        return fail(node,
                    fmt::format("relation {}: `{}` is none of $parent, $subscription, "
                                "$resourceGroup, $managementGroups",
                                relation.name,
                                node.text));
      }
      path.kind = *found;
      if (path.kind == RelationPath::Kind::kManagementGroups) {
        path.steps = policy::parse_path(kAncestorNames).value();
      }
    } else {
      auto steps = policy::parse_path(node.text);
      if (!steps) {
        return fail(node, fmt::format("relation {}: `{}` is not a path", relation.name, node.text));
      }
      path.steps = *std::move(steps);
    }
    relation.paths.push_back(std::move(path));
    return Status::ok();
  }

  Status fill_forward(Relation& relation, const JsonNode& entry) {
    const JsonNode* source = member(entry, "sourceType");
    const JsonNode* path = member(entry, "path");
    const JsonNode* paths = member(entry, "paths");
    if (source == nullptr || (path == nullptr) == (paths == nullptr)) {
      return fail(entry,
                  fmt::format("relation {} needs sourceType and either path or paths (or "
                              "inverseOf, unionOf, compositionOf)",
                              relation.name));
    }
    const JsonNode* target = member(entry, "targetType");
    if (auto read = read_types(relation, source, "sourceType", relation.source_types); !read) {
      return read;
    }
    if (auto read = read_types(relation, target, "targetType", relation.target_types); !read) {
      return read;
    }
    if (paths != nullptr && (!paths->is_array() || paths->items.empty())) {
      return fail(*paths,
                  fmt::format("relation {}: `paths` must be a list of paths", relation.name));
    }
    const auto items = paths != nullptr ? std::span(paths->items) : std::span(path, 1);
    for (const auto& item : items) {
      if (auto added = add_path(relation, item); !added) {
        return added;
      }
    }
    if (const JsonNode* ancestor = member(entry, "ancestor")) {
      if (ancestor->kind != JsonNode::Kind::kBool) {
        return fail(*ancestor,
                    fmt::format("relation {}: `ancestor` must be true or false", relation.name));
      }
      relation.ancestor = ancestor->boolean;
    }
    if (relation.ancestor && target == nullptr) {
      return fail(
          entry,
          fmt::format("relation {}: `ancestor` needs a targetType to look for", relation.name));
    }
    if (target == nullptr) {
      infer_targets(relation);
    }
    return Status::ok();
  }

  /// `$subscription` and its like tell their target types themselves.
  static void infer_targets(Relation& relation) {
    std::vector<std::string> types;
    for (const auto& path : relation.paths) {
      for (const auto& source : relation.source_types) {
        auto type = special_target(path.kind, source);
        if (type.empty()) {
          return;
        }
        types.push_back(std::move(type));
      }
    }
    relation.target_types = std::move(types);
  }

  std::string_view json_;
  policy::SourceText source_;
  JsonNode root_;
  std::vector<Draft> drafts_;
  Relations done_;
};

void collect_forward(const Relation& relation, std::vector<const Relation*>& out) {
  if (relation.is_forward()) {
    if (std::ranges::find(out, &relation) == out.end()) {
      out.push_back(&relation);
    }
    return;
  }
  for (const auto& part : relation.parts) {
    collect_forward(*part, out);
  }
}

/// The key that an id found in a source stands for; nullopt: no target of the relation.
std::optional<std::string> as_target(const Relation& relation, std::string_view text) {
  auto id = core::parse_resource_id(text);
  while (id && !relation.leads_to(id->type)) {
    const std::string above = relation.ancestor ? container_key(*id) : std::string();
    id = above.empty() ? std::nullopt : core::parse_resource_id(above);
  }
  return id ? std::optional(std::move(id->key)) : std::nullopt;
}

/// Texts in the source's body, calling `add(text)` for each.
template <class Add>
void each_text(const RelationPath& path, const RelationEnd& source, Add add) {
  if (!source.body) {
    return;
  }
  policy::select(policy::Value::element(*source.body),
                 path.steps,
                 0,
                 nullptr,
                 [&](const policy::Selected& found) {
                   if (found.value.is_string()) {
                     add(found.value.text());
                   }
                   return true;
                 });
}

/// Ids that the path selects, calling `add(text)` for each.
template <class Add>
void each_id(const RelationPath& path, const RelationEnd& source, Add add) {
  const std::string& known = source.key.empty() ? source.parent : source.key;
  switch (path.kind) {
    case RelationPath::Kind::kBody:
      each_text(path, source, add);
      return;
    case RelationPath::Kind::kManagementGroups:
      each_text(
          path, source, [&](std::string_view name) { add(core::management_group_key(name)); });
      return;
    case RelationPath::Kind::kParent:
      if (!source.parent.empty()) {
        add(source.parent);
      }
      return;
    case RelationPath::Kind::kSubscription:
    case RelationPath::Kind::kResourceGroup:
      if (const auto id = core::parse_resource_id(known)) {
        const auto container = path.kind == RelationPath::Kind::kSubscription
                                   ? id->subscription_key()
                                   : id->resource_group_key();
        if (!container.empty()) {
          add(container);
        }
      }
      return;
  }
}

}  // namespace

bool Relation::starts_at(std::string_view type) const {
  return source_types.empty() || contains(source_types, type);
}

bool Relation::leads_to(std::string_view type) const {
  return target_types.empty() || contains(target_types, type);
}

bool Relation::reads_body() const {
  return std::ranges::any_of(paths, [](const RelationPath& path) { return !path.steps.empty(); });
}

Result<Relations> parse_relations(std::string_view json, std::string_view source) {
  return RelationsParser(json, source).parse();
}

std::vector<const Relation*> forward_relations(const Relation& relation) {
  std::vector<const Relation*> out;
  collect_forward(relation, out);
  return out;
}

RelationEnd end_of_key(std::string_view key) {
  RelationEnd end;
  end.key = key;
  if (const auto id = core::parse_resource_id(key)) {
    end.type = id->type;
    end.parent = parent_key(*id);
  }
  return end;
}

std::vector<RelationEnd> ends_of(std::string_view key, std::string_view type, element body) {
  std::vector<RelationEnd> ends;
  if (!core::resource_graph_table(type).empty()) {
    RelationEnd end = end_of_key(key);
    end.type = type;
    end.body = body;
    ends.push_back(std::move(end));
    return ends;
  }
  // What a list of a resource holds belongs to that resource, whatever the ids in it look like.
  const auto parent = core::detail_parent_key(key, type);
  simdjson::dom::array values;
  if (body["value"].get(values) != simdjson::SUCCESS) {
    return ends;
  }
  for (const element item : values) {
    RelationEnd end;
    std::string_view id;
    if (item["id"].get(id) == simdjson::SUCCESS && core::parse_resource_id(id)) {
      end.key = core::resource_key(id);
    }
    end.type = type;
    end.parent = parent;
    end.body = item;
    ends.push_back(std::move(end));
  }
  return ends;
}

std::vector<std::string> relation_targets(const Relation& relation, const RelationEnd& source) {
  std::vector<std::string> targets;
  if (!relation.starts_at(source.type)) {
    return targets;
  }
  for (const auto& path : relation.paths) {
    each_id(path, source, [&](std::string_view text) {
      if (auto target = as_target(relation, text)) {
        targets.push_back(*std::move(target));
      }
    });
  }
  normalise(targets);
  return targets;
}

}  // namespace plumbline::compliance
