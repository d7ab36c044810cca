# With CMAKE_UNITY_BUILD the files of one folder are compiled together, because most of a file's time goes into the
# headers that its neighbours include as well: a build takes about a third of the time. Names of a folder's anonymous
# namespaces must therefore differ. Files that share names on purpose stay apart.
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # It takes a file that is compiled with others for a header.
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)
endif()

function(tq_unity_by_folder target)
  # Of folders and files.
  set(apart model eval/gates/prompts.cc eval/gates/long_answer.cc server/openai/completions.cc sampler/tool_calls/tool_grammar.cc
            tokenizer/jinja/methods.cc tokenizer/jinja/sequence_filters.cc)
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
  get_target_property(sources ${target} SOURCES)
  foreach(source IN LISTS sources)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} OUTPUT_VARIABLE path)
    cmake_path(GET path PARENT_PATH folder)
    if(NOT folder IN_LIST apart AND NOT path IN_LIST apart)
      string(REPLACE "/" "_" group ${folder})
      set_source_files_properties(${source} TARGET_DIRECTORY ${target} PROPERTIES UNITY_GROUP ${group})
    endif()
  endforeach()
endfunction()
