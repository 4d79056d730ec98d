#include "policy/reads.hpp"

#include "core/text.hpp"

#include <set>
#include <string>
#include <utility>

namespace plumbline::policy {

namespace {

class Reader {
 public:
  explicit Reader(const Program& program) : program_(program) {}

  std::vector<ReadPath> read() && {
    visit(program_.condition_);
    visit(program_.effect_);
    if (program_.existence_) {
      const Existence& existence = *program_.existence_;
      for (const auto* part : {&existence.computed_type,
                               &existence.name,
                               &existence.scope,
                               &existence.resource_group}) {
        if (*part) {
          visit(**part);
        }
      }
      if (existence.condition) {
        visit(*existence.condition);
      }
    }
    return {found_.begin(), found_.end()};
  }

 private:
  void visit(const Condition& condition) {
    const bool around = std::exchange(reads_element_, false);
    for (const auto& child : condition.children) {
      visit(child);
    }
    visit(condition.left);
    visit(condition.right);
    // A count asks for no more of an element than its conditions do.
    visit(condition.field, condition.kind != Constraint::Kind::kCountField || reads_element_);
    reads_element_ = reads_element_ || around;
  }

  void visit(const Expr& e) {
    if (e.field) {
      visit(*e.field, true);
    } else if (e.op == Expr::Op::kCurrent) {
      reads_element_ = true;
    }
    for (const auto& arg : e.args) {
      visit(arg);
    }
  }

  void visit(const FieldRef& field, bool whole) {
    for (const auto& path : field.paths) {
      add(field, path, whole);
    }
    for (const auto& known : field.known) {
      visit(known, whole);
    }
    if (field.computed_name) {
      visit(*field.computed_name);
      // What cannot be looked up in the catalogue before it is known is a tag.
      if (field.known.empty() || core::to_lower(field.name).contains("tags")) {
        add_builtin(field.root, "tags", whole);
      }
    }
  }

  void add(const FieldRef& field, const FieldPath& path, bool whole) {
    if (!field.relation.empty()) {
      // The path's first steps lead to the relation: what follows is the other resource's.
      std::size_t rest = 2;
      if (rest < path.path.size() && path.path[rest].kind != PathStep::Kind::kKey) {
        ++rest;
      }
      if (rest < path.path.size()) {
        const Path steps(path.path.begin() + static_cast<std::ptrdiff_t>(rest), path.path.end());
        found_.insert({"", field.relation, path_text(steps), whole});
      }
    } else if (path.type.empty()) {
      add_builtin(field.root, path_text(path.path), whole);
    } else {
      found_.insert({std::string(path.type), "", path_text(path.path), whole});
    }
  }

  void add_builtin(FieldRef::Root root, const std::string& path, bool whole) {
    if (root == FieldRef::Root::kCandidate) {
      for (const auto& lookup : program_.info_.lookups) {
        found_.insert({lookup.type, "", path, whole});
      }
      return;
    }
    if (program_.info_.types.empty()) {
      found_.insert({"", "", path, whole});
    }
    for (const auto& type : program_.info_.types) {
      found_.insert({type, "", path, whole});
    }
  }

  const Program& program_;
  std::set<ReadPath> found_;
  bool reads_element_ = false;  // a whole element of a count, by current()
};

}  // namespace

std::vector<ReadPath> paths_read(const Program& program) {
  return Reader(program).read();
}

}  // namespace plumbline::policy
