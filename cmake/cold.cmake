# Cold code, that no token passes through, is compiled for size: it builds in two thirds of the time and is two thirds as
# large. With sanitizers it is not optimised at all, which takes half the time.
set(TQ_COLD $<$<CONFIG:Release>:-Os>)
if(TQ_SANITIZE)
  set(TQ_COLD -O0)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  list(APPEND TQ_COLD -Wno-maybe-uninitialized)  # false alarms in std::optional at -Os
endif()

# tq_cold_folders(target folder...): the sources of these folders move from the static library to an object library
# TARGET_cold, whose objects it then holds. Options of a file's own would keep it out of its folder's unit
# (unity.cmake), so these are a target's. Call it after tq_unity_by_folder.
function(tq_cold_folders target)
  get_target_property(sources ${target} SOURCES)
  list(JOIN ARGN "|" folders)
  set(moved ${sources})
  list(FILTER moved INCLUDE REGEX "/src/(${folders})/")
  list(FILTER sources EXCLUDE REGEX "/src/(${folders})/")

  add_library(${target}_cold OBJECT ${moved})
  target_compile_options(${target}_cold PRIVATE $<TARGET_PROPERTY:${target},COMPILE_OPTIONS> ${TQ_COLD})
  target_include_directories(${target}_cold PRIVATE $<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>)
  target_compile_definitions(${target}_cold PRIVATE $<TARGET_PROPERTY:${target},COMPILE_DEFINITIONS>)
  foreach(property POSITION_INDEPENDENT_CODE CXX_VISIBILITY_PRESET VISIBILITY_INLINES_HIDDEN UNITY_BUILD_MODE)
    get_target_property(value ${target} ${property})
    set_target_properties(${target}_cold PROPERTIES ${property} ${value})
  endforeach()
  set_target_properties(${target} PROPERTIES SOURCES "${sources}")
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_cold>)
endfunction()
