# `cmake --install build/release --prefix DIR`: the program, the C library, and the C++ library with its headers; for
# find_package(turboquant) the targets turboquant::turboquant_c and turboquant::turboquant, for pkg-config turboquant.pc.
include(CMakePackageConfigHelpers)
set(TQ_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/turboquant)

install(TARGETS turboquant RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS turboquant_c libturboquant EXPORT turboquant
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/tq DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT turboquant NAMESPACE turboquant:: FILE turboquant-targets.cmake DESTINATION ${TQ_PACKAGE_DIR})

configure_package_config_file(cmake/turboquant-config.cmake.in turboquant-config.cmake
                              INSTALL_DESTINATION ${TQ_PACKAGE_DIR})
write_basic_package_version_file(turboquant-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/turboquant-config.cmake ${PROJECT_BINARY_DIR}/turboquant-config-version.cmake
        DESTINATION ${TQ_PACKAGE_DIR})

# Completions and the manual page: the program prints them.
set(TQ_PRINTED "completion bash" "completion zsh" "completion fish" manual)
set(TQ_PRINTED_FILES bash-completion/completions/turboquant zsh/site-functions/_turboquant
                     fish/vendor_completions.d/turboquant.fish man/man1/turboquant.1)
foreach(words file IN ZIP_LISTS TQ_PRINTED TQ_PRINTED_FILES)
  cmake_path(GET file PARENT_PATH folder)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/printed/${folder})
  install(CODE "execute_process(COMMAND ${CMAKE_CROSSCOMPILING_EMULATOR} \"$<TARGET_FILE:turboquant>\" ${words}
                                OUTPUT_FILE \"${PROJECT_BINARY_DIR}/printed/${file}\" COMMAND_ERROR_IS_FATAL ANY)")
  install(FILES ${PROJECT_BINARY_DIR}/printed/${file} DESTINATION ${CMAKE_INSTALL_DATAROOTDIR}/${folder})
endforeach()
configure_file(packaging/turboquant.service.in turboquant.service @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/turboquant.service DESTINATION lib/systemd/system)

file(RELATIVE_PATH TQ_INCLUDE_FROM_LIB /prefix/${CMAKE_INSTALL_LIBDIR} /prefix/${CMAKE_INSTALL_INCLUDEDIR})
configure_file(cmake/turboquant.pc.in turboquant.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/turboquant.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
