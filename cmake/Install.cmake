# Program, libraries, headers, weights, protocols, man pages, CMake package and pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(SC_DATA_DIR ${CMAKE_INSTALL_DATADIR}/scorecon)

if(TARGET scorecon)
  install(TARGETS scorecon RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

  # man pages out of --help, so that they cannot disagree
  set(pages scorecon)
  foreach(command recon simulate compare info check train sample likelihood encode import)
    list(APPEND pages scorecon-${command})
  endforeach()
  set(man)
  foreach(page ${pages})
    set(file ${PROJECT_BINARY_DIR}/man/${page}.1)
    add_custom_command(OUTPUT ${file}
      COMMAND ${PROJECT_SOURCE_DIR}/cmake/man.sh $<TARGET_FILE:scorecon> ${page} ${PROJECT_VERSION} ${file}
      DEPENDS scorecon ${PROJECT_SOURCE_DIR}/cmake/man.sh VERBATIM)
    list(APPEND man ${file})
  endforeach()
  if(NOT SC_SANITIZE)
    add_custom_target(man ALL DEPENDS ${man})
    install(FILES ${man} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  endif()
endif()

install(TARGETS scorecon_static scorecon_shared EXPORT scorecon
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES scorecon.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/scorecon)
foreach(folder base operators prior io recon protocols)
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/scorecon
          FILES_MATCHING PATTERN "*.h" PATTERN "*_internal.h" EXCLUDE PATTERN "weights" EXCLUDE)
endforeach()
install(DIRECTORY prior/weights/ DESTINATION ${SC_DATA_DIR}/weights FILES_MATCHING PATTERN "*.safetensors" PATTERN "README.md")
install(DIRECTORY protocols/ DESTINATION ${SC_DATA_DIR}/protocols FILES_MATCHING PATTERN "*.yaml")

install(EXPORT scorecon NAMESPACE scorecon:: FILE scoreconTargets.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/scorecon)
configure_package_config_file(cmake/scoreconConfig.cmake.in ${PROJECT_BINARY_DIR}/scoreconConfig.cmake
        INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/scorecon)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/scoreconConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/scoreconConfig.cmake ${PROJECT_BINARY_DIR}/scoreconConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/scorecon)
# relative, so that an installation can be moved or installed under another prefix
file(RELATIVE_PATH SC_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/scorecon.pc.in ${PROJECT_BINARY_DIR}/scorecon.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/scorecon.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
