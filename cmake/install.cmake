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

file(RELATIVE_PATH TQ_INCLUDE_FROM_LIB /prefix/${CMAKE_INSTALL_LIBDIR} /prefix/${CMAKE_INSTALL_INCLUDEDIR})
configure_file(cmake/turboquant.pc.in turboquant.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/turboquant.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
