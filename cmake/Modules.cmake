# plumbline_module(NAME SOURCES... [PUBLIC libs...] [PRIVATE libs...])
# One static library a folder. Sources are listed by hand, so that a new file is a decision.
function(plumbline_module name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(plumbline_${name} STATIC ${ARG_SOURCES})
  target_include_directories(plumbline_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(plumbline_${name} PUBLIC ${ARG_PUBLIC} PRIVATE ${ARG_PRIVATE})
endfunction()

# plumbline_test(NAME SOURCES... LIBS...): one doctest executable a module, one ctest entry.
function(plumbline_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LIBS;LABELS" ${ARGN})
  add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/unit/main.cpp ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  target_compile_definitions(${name} PRIVATE
    PLUMBLINE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" PLUMBLINE_SHARED_DIR="${CMAKE_SOURCE_DIR}/../shared")
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  set_tests_properties(${name} PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "unit")
endfunction()
