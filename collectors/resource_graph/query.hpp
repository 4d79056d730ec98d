// Resource Graph requests as text (contracts 2.1 to 2.3).
#pragma once

#include "core/clock.hpp"
#include "core/model/collection_plan.hpp"

#include <string>
#include <vector>

namespace plumbline::collectors {

/// The KQL for one table of the plan: all columns, one order, so that pages neither repeat nor miss
/// rows. Only characters of resource types reach the text; others are dropped.
/// Of `pieces`, it asks for one: ids are dealt out evenly by their hash.
[[nodiscard]] std::string resource_graph_query(const core::TablePlan& table,
                                               int piece = 0,
                                               int pieces = 1);

/// How many rows of it there are in each subscription.
[[nodiscard]] std::string resource_graph_count_query(const core::TablePlan& table);

/// And of each type there; in one order, for it may have pages.
[[nodiscard]] std::string resource_graph_type_count_query(const core::TablePlan& table);

/// The first id of that table and type.
[[nodiscard]] std::string resource_graph_example_query(std::string_view table,
                                                       std::string_view type);

/// The rows of these ids alone, in one order. Ids are quoted, whatever they hold.
[[nodiscard]] std::string resource_graph_query_of(std::string_view table,
                                                  const std::vector<std::string>& ids);

/// The changes of a change table since a time of Azure's, of resources of these types; empty: of
/// any.
[[nodiscard]] std::string change_query(std::string_view change_table,
                                       core::Time since,
                                       const std::vector<std::string>& types);

/// The request body for one page. No subscriptions: the whole tenant. `skip_token` empty: the first
/// page.
[[nodiscard]] std::string resource_graph_body(const std::string& query,
                                              const std::vector<std::string>& subscriptions,
                                              int top,
                                              const std::string& skip_token,
                                              bool above_and_below);

/// True for the tables whose rows may be made above the subscription and reach down into it.
[[nodiscard]] bool is_inherited_table(std::string_view table) noexcept;

}  // namespace plumbline::collectors
