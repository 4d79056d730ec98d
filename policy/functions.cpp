#include "policy/functions.hpp"

#include "core/text.hpp"
#include "policy/function_groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace plumbline::policy {

namespace {

// Sorted by name, ignoring case. and, or, if, coalesce, not listed here, are lazy and belong to
// the evaluator, as do the functions that read the context (field, current, parameters, utcNow...).
constexpr std::array kFunctions = std::to_array<Function>({
    {"add", 2, 2, functions::add},
    {"addDays", 2, 2, functions::add_days},
    {"array", 1, 1, functions::array},
    {"base64", 1, 1, functions::base64},
    {"base64ToJson", 1, 1, functions::base64_to_json},
    {"base64ToString", 1, 1, functions::base64_to_string},
    {"bool", 1, 1, functions::to_bool},
    {"concat", 0, kManyArguments, functions::concat},
    {"contains", 2, 2, functions::contains, Unknowns::kInside},
    {"createArray", 0, kManyArguments, functions::create_array, Unknowns::kAny},
    {"createObject", 0, kManyArguments, functions::create_object, Unknowns::kAny},
    {"dateTimeAdd", 2, 3, functions::date_time_add, Unknowns::kSpoil, true},
    {"dateTimeFromEpoch", 1, 1, functions::date_time_from_epoch, Unknowns::kSpoil, true},
    {"dateTimeToEpoch", 1, 1, functions::date_time_to_epoch, Unknowns::kSpoil, true},
    {"dataUri", 1, 1, functions::data_uri},
    {"dataUriToString", 1, 1, functions::data_uri_to_string},
    {"div", 2, 2, functions::div},
    {"empty", 1, 1, functions::empty, Unknowns::kInside},
    {"endsWith", 2, 2, functions::ends_with},
    {"equals", 2, 2, functions::equals},
    {"false", 0, 0, functions::constant_false},
    {"first", 1, 1, functions::first, Unknowns::kInside},
    {"float", 1, 1, functions::to_float},
    {"format", 1, kManyArguments, functions::format},
    {"greater", 2, 2, functions::greater},
    {"greaterOrEquals", 2, 2, functions::greater_or_equals},
    {"guid", 1, kManyArguments, functions::guid},
    {"indexFromEnd", 2, 2, functions::index_from_end, Unknowns::kInside},
    {"indexOf", 2, 2, functions::index_of},
    {"int", 1, 1, functions::to_int},
    {"intersection", 2, kManyArguments, functions::intersection},
    {"ipRangeContains", 2, 2, functions::ip_range_contains},
    {"items", 1, 1, functions::items},
    {"join", 2, 2, functions::join},
    {"json", 1, 1, functions::json},
    {"last", 1, 1, functions::last, Unknowns::kInside},
    {"lastIndexOf", 2, 2, functions::last_index_of},
    {"length", 1, 1, functions::length, Unknowns::kInside},
    {"less", 2, 2, functions::less},
    {"lessOrEquals", 2, 2, functions::less_or_equals},
    {"max", 1, kManyArguments, functions::max},
    {"min", 1, kManyArguments, functions::min},
    {"mod", 2, 2, functions::mod},
    {"mul", 2, 2, functions::mul},
    {"not", 1, 1, functions::negation},
    {"null", 0, 0, functions::constant_null},
    {"objectKeys", 1, 1, functions::object_keys},
    {"padLeft", 2, 3, functions::pad_left},
    {"range", 2, 2, functions::range},
    {"replace", 3, 3, functions::replace},
    {"shallowMerge", 1, 1, functions::shallow_merge},
    {"skip", 2, 2, functions::skip, Unknowns::kInside},
    {"split", 2, 2, functions::split},
    {"startsWith", 2, 2, functions::starts_with},
    {"string", 1, 1, functions::string},
    {"sub", 2, 2, functions::sub},
    {"substring", 2, 3, functions::substring},
    {"take", 2, 2, functions::take, Unknowns::kInside},
    {"toLower", 1, 1, functions::to_lower},
    {"toUpper", 1, 1, functions::to_upper},
    {"trim", 1, 1, functions::trim},
    {"true", 0, 0, functions::constant_true},
    {"tryGet", 2, kManyArguments, functions::try_get, Unknowns::kInside},
    {"tryIndexFromEnd", 2, 2, functions::try_index_from_end, Unknowns::kInside},
    {"union", 1, kManyArguments, functions::union_of},
    {"uniqueString", 1, kManyArguments, functions::unique_string},
    {"uri", 2, 2, functions::uri},
    {"uriComponent", 1, 1, functions::uri_component},
    {"uriComponentToString", 1, 1, functions::uri_component_to_string},
});

constexpr std::string_view kForbidden[] = {
    "copyIndex",
    "dateTimeAdd",
    "dateTimeFromEpoch",
    "dateTimeToEpoch",
    "deployment",
    "environment",
    "extensionResourceId",
    "filter",
    "lambda",
    "listAccountSas",
    "listKeys",
    "listSecrets",
    "map",
    "groupBy",
    "managementGroup",
    "mapValues",
    "newGuid",
    "pickZones",
    "providers",
    "reduce",
    "reference",
    "resourceId",
    "sort",
    "subscriptionResourceId",
    "tenant",
    "tenantResourceId",
    "toObject",
    "variables",
};

}  // namespace

Value FunctionContext::text(std::string text) {
  if (text.size() > kMaxTextBytes) {
    return fail("the text grows beyond 1 MiB");
  }
  return arena_.string(std::move(text));
}

Value FunctionContext::list(Elements elements) {
  if (elements.size() > kMaxListSize) {
    return fail("the array grows beyond 100000 elements");
  }
  return arena_.array(std::move(elements));
}

const Function* find_function(std::string_view name) {
  const auto* const found = std::ranges::find_if(
      kFunctions, [&](const Function& f) { return core::iequals(f.name, name); });
  return found == kFunctions.end() ? nullptr : found;
}

std::span<const Function> all_functions() {
  return kFunctions;
}

bool is_forbidden_function(std::string_view name) {
  return core::istarts_with(name, "list") ||
         std::ranges::any_of(kForbidden,
                             [&](std::string_view f) { return core::iequals(f, name); });
}

Value call_function(const Function& function, FunctionContext& context, Arguments arguments) {
  if (arguments.size() < function.min_arguments ||
      (function.max_arguments != kManyArguments && arguments.size() > function.max_arguments)) {
    return context.fail(fmt::format(
        "{}() takes another number of arguments than {}", function.name, arguments.size()));
  }
  for (const auto& argument : arguments) {
    if (argument.is_unknown() && function.unknowns != Unknowns::kAny) {
      return Value::unknown(argument.text());
    }
    if (function.unknowns == Unknowns::kSpoil && (argument.is_array() || argument.is_object())) {
      if (const auto reason = missing_evidence_in(argument)) {
        return Value::unknown(*reason);
      }
    }
  }
  for (const auto& argument : arguments) {
    if (argument.is_error()) {
      return argument;
    }
  }
  return function.call(context, arguments);
}

}  // namespace plumbline::policy
