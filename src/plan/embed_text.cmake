# Makes a C++ file that holds a text file as a raw string literal. It is written again when the text changes.
function(tq_embed_text input header namespace name output)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${input})
  file(READ ${input} content)
  string(CONCAT text "// Made by embed_text.cmake.\n#include \"${header}\"\n\nnamespace ${namespace} {\n\n"
         "std::string_view ${name}() {\n  return R\"tq-text(${content})tq-text\";\n}\n\n}  // namespace ${namespace}\n")
  tq_write_if_changed(${output} "${text}")
endfunction()
