#include "compliance/read_paths.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace plumbline::compliance {

namespace {

/// Elements of arrays are named by what identifies them, so that any segment may be any element.
bool is_same_step(const policy::PathStep& step, std::string_view segment) {
  return step.kind != policy::PathStep::Kind::kKey || core::iequals(step.key, segment);
}

bool is_same_path(const policy::Path& a, const policy::Path& b) {
  return std::ranges::equal(a, b, [](const policy::PathStep& one, const policy::PathStep& two) {
    return one.kind == two.kind && one.index == two.index && core::iequals(one.key, two.key);
  });
}

}  // namespace

ReadPaths::ReadPaths(const std::vector<Check>& checks) {
  for (const auto& check : checks) {
    add(check);
  }
}

ReadPaths::ReadPaths(const Check& check) {
  add(check);
}

void ReadPaths::add(const Check& check) {
  if (check.is_disabled()) {
    return;
  }
  for (const auto& read : check.definition->info().reads) {
    const auto path = policy::parse_path(read.path);
    if (!path) {
      continue;
    }
    const Read found{*path, read.whole, check.severity};
    if (read.relation.empty()) {
      add(read.type, found);
      continue;
    }
    for (const auto* relation : check.relations) {
      if (!core::iequals(relation->name, read.relation)) {
        continue;
      }
      for (const auto& type : relation->target_types) {
        add(type, found);
      }
      if (relation->target_types.empty()) {
        add("", found);
      }
    }
  }
  for (const auto* relation : check.relations) {
    for (const auto* forward : forward_relations(*relation)) {
      for (const auto& pointer : forward->paths) {
        for (const auto& type : forward->source_types) {
          if (pointer.kind == RelationPath::Kind::kBody) {
            add(type, {pointer.steps, true, check.severity});
          }
        }
      }
    }
  }
}

void ReadPaths::add(const std::string& type, const Read& read) {
  auto& reads = by_type_[type];
  const auto same = std::ranges::find_if(reads, [&](const Read& other) {
    return other.whole == read.whole && is_same_path(other.path, read.path);
  });
  if (same == reads.end()) {
    reads.push_back(read);
  } else {
    same->severity = std::max(same->severity, read.severity);
  }
}

std::optional<core::Severity> ReadPaths::severity_of(std::string_view lower_type,
                                                     DiffPath path) const {
  std::optional<core::Severity> highest;
  for (const auto key : {lower_type, std::string_view()}) {
    const auto found = by_type_.find(key);
    // As a whole a resource concerns those that look for its type, not those that read any.
    if (found == by_type_.end() || (key.empty() && path.empty())) {
      continue;
    }
    for (const auto& read : found->second) {
      if ((highest && read.severity <= *highest) ||
          (path.size() > read.path.size() && !read.whole)) {
        continue;
      }
      const auto common = std::min(path.size(), read.path.size());
      if (std::equal(read.path.begin(),
                     read.path.begin() + static_cast<std::ptrdiff_t>(common),
                     path.begin(),
                     is_same_step)) {
        highest = read.severity;
      }
    }
  }
  return highest;
}

}  // namespace plumbline::compliance
