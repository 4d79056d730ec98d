// The functions themselves, by subject; functions.cpp lists them.
#pragma once

#include "policy/functions.hpp"

namespace plumbline::policy::functions {

// functions_text.cpp
Value concat(FunctionContext& context, Arguments args);
Value replace(FunctionContext& context, Arguments args);
Value split(FunctionContext& context, Arguments args);
Value join(FunctionContext& context, Arguments args);
Value pad_left(FunctionContext& context, Arguments args);
Value to_lower(FunctionContext& context, Arguments args);
Value to_upper(FunctionContext& context, Arguments args);
Value trim(FunctionContext& context, Arguments args);
Value substring(FunctionContext& context, Arguments args);
Value starts_with(FunctionContext& context, Arguments args);
Value ends_with(FunctionContext& context, Arguments args);
Value index_of(FunctionContext& context, Arguments args);
Value last_index_of(FunctionContext& context, Arguments args);
Value string(FunctionContext& context, Arguments args);
Value format(FunctionContext& context, Arguments args);

// functions_encoding.cpp
Value base64(FunctionContext& context, Arguments args);
Value base64_to_string(FunctionContext& context, Arguments args);
Value base64_to_json(FunctionContext& context, Arguments args);
Value data_uri(FunctionContext& context, Arguments args);
Value data_uri_to_string(FunctionContext& context, Arguments args);
Value uri(FunctionContext& context, Arguments args);
Value uri_component(FunctionContext& context, Arguments args);
Value uri_component_to_string(FunctionContext& context, Arguments args);
Value json(FunctionContext& context, Arguments args);
Value guid(FunctionContext& context, Arguments args);
Value unique_string(FunctionContext& context, Arguments args);

// functions_collections.cpp
Value array(FunctionContext& context, Arguments args);
Value create_array(FunctionContext& context, Arguments args);
Value create_object(FunctionContext& context, Arguments args);
Value contains(FunctionContext& context, Arguments args);
Value empty(FunctionContext& context, Arguments args);
Value first(FunctionContext& context, Arguments args);
Value last(FunctionContext& context, Arguments args);
Value length(FunctionContext& context, Arguments args);
Value intersection(FunctionContext& context, Arguments args);
Value union_of(FunctionContext& context, Arguments args);
Value items(FunctionContext& context, Arguments args);
Value object_keys(FunctionContext& context, Arguments args);
Value range(FunctionContext& context, Arguments args);
Value skip(FunctionContext& context, Arguments args);
Value take(FunctionContext& context, Arguments args);
Value index_from_end(FunctionContext& context, Arguments args);
Value try_index_from_end(FunctionContext& context, Arguments args);
Value try_get(FunctionContext& context, Arguments args);
Value shallow_merge(FunctionContext& context, Arguments args);

// functions_logic.cpp: numbers, comparisons, conversions, dates, addresses
Value add(FunctionContext& context, Arguments args);
Value sub(FunctionContext& context, Arguments args);
Value mul(FunctionContext& context, Arguments args);
Value div(FunctionContext& context, Arguments args);
Value mod(FunctionContext& context, Arguments args);
Value min(FunctionContext& context, Arguments args);
Value max(FunctionContext& context, Arguments args);
Value to_int(FunctionContext& context, Arguments args);
Value to_float(FunctionContext& context, Arguments args);
Value to_bool(FunctionContext& context, Arguments args);
Value negation(FunctionContext& context, Arguments args);
Value equals(FunctionContext& context, Arguments args);
Value less(FunctionContext& context, Arguments args);
Value less_or_equals(FunctionContext& context, Arguments args);
Value greater(FunctionContext& context, Arguments args);
Value greater_or_equals(FunctionContext& context, Arguments args);
Value constant_true(FunctionContext& context, Arguments args);
Value constant_false(FunctionContext& context, Arguments args);
Value constant_null(FunctionContext& context, Arguments args);
Value add_days(FunctionContext& context, Arguments args);
Value date_time_add(FunctionContext& context, Arguments args);
Value date_time_from_epoch(FunctionContext& context, Arguments args);
Value date_time_to_epoch(FunctionContext& context, Arguments args);
Value ip_range_contains(FunctionContext& context, Arguments args);

/// Whether the first value orders before (negative), with (0) or after the second; nullopt when
/// they are not both numbers or both strings.
std::optional<int> order(const Value& a, const Value& b);
/// A whole number given as integer, as float without fraction, or as text.
std::optional<std::int64_t> whole_number(const Value& value);

}  // namespace plumbline::policy::functions
