# What is installed besides the binary, and the Debian package made of it (scripts/package).
# Component `daemon` is what runs (the container holds nothing else); `system` is what a package
# adds around it: unit, default configuration, manual, completion.
include(GNUInstallDirs)

# Absolute, as these places do not move with the prefix.
set(PLUMBLINE_CONFIG_DIR "/etc/plumbline")
set(PLUMBLINE_UNIT_DIR "/lib/systemd/system")

# Everyone's umask differs, the package's contents must not.
set(CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

install(TARGETS plumbline RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT daemon)
install(DIRECTORY baselines DESTINATION ${CMAKE_INSTALL_DATADIR}/plumbline COMPONENT daemon)
# The daemon reads nothing of it: dashboards are for the hosts of Prometheus and Grafana.
install(DIRECTORY dashboards DESTINATION ${CMAKE_INSTALL_DATADIR}/plumbline COMPONENT system EXCLUDE_FROM_ALL)
if(TARGET plumbline-simulator)
  install(TARGETS plumbline-simulator RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
    COMPONENT simulator EXCLUDE_FROM_ALL)
endif()

install(FILES config/plumbline.schema.json
  DESTINATION ${CMAKE_INSTALL_DATADIR}/plumbline COMPONENT system EXCLUDE_FROM_ALL)

# The example configuration speaks of the baseline and the schema in the source tree.
set(example_baseline "../baselines/azure-monitor")
set(installed_baseline "/usr/share/plumbline/baselines/azure-monitor")
set(example_schema "schema=plumbline.schema.json")
set(installed_schema "schema=/usr/share/plumbline/plumbline.schema.json")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS config/plumbline.yaml)
file(READ config/plumbline.yaml example)
string(REPLACE "initiative: ${example_baseline} " "initiative: ${installed_baseline} "
  installed "${example}")
if(installed STREQUAL example)
  message(FATAL_ERROR "config/plumbline.yaml does not name ${example_baseline} any more")
endif()
set(example "${installed}")
string(REPLACE "${example_schema}\n" "${installed_schema}\n" installed "${example}")
if(installed STREQUAL example)
  message(FATAL_ERROR "config/plumbline.yaml does not name ${example_schema} any more")
endif()
file(WRITE ${CMAKE_BINARY_DIR}/packaging/plumbline.yaml "${installed}")
install(FILES ${CMAKE_BINARY_DIR}/packaging/plumbline.yaml
  DESTINATION ${PLUMBLINE_CONFIG_DIR} COMPONENT system EXCLUDE_FROM_ALL)
install(DIRECTORY DESTINATION ${PLUMBLINE_CONFIG_DIR}/plumbline.yaml.d
  COMPONENT system EXCLUDE_FROM_ALL)

install(FILES systemd/plumbline.service
  DESTINATION ${PLUMBLINE_UNIT_DIR} COMPONENT system EXCLUDE_FROM_ALL)
install(FILES packaging/bash-completion
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
  RENAME plumbline COMPONENT system EXCLUDE_FROM_ALL)
set(doc_dir ${CMAKE_INSTALL_DATADIR}/doc/plumbline)
file(GLOB pages CONFIGURE_DEPENDS docs/*.md)
install(FILES README.md ARCHITECTURE.md SECURITY.md
  DESTINATION ${doc_dir} COMPONENT system EXCLUDE_FROM_ALL)
install(FILES ${pages} docs/custom-role.json
  DESTINATION ${doc_dir}/docs COMPONENT system EXCLUDE_FROM_ALL)
install(DIRECTORY docs/examples DESTINATION ${doc_dir}/docs COMPONENT system EXCLUDE_FROM_ALL)
# The script looks for the role where it is in the source tree, and documentation may be left out.
install(PROGRAMS scripts/az-setup
  DESTINATION ${CMAKE_INSTALL_DATADIR}/plumbline/scripts COMPONENT system EXCLUDE_FROM_ALL)
install(FILES docs/custom-role.json
  DESTINATION ${CMAKE_INSTALL_DATADIR}/plumbline/docs COMPONENT system EXCLUDE_FROM_ALL)
install(DIRECTORY docs/runbooks DESTINATION ${doc_dir}/docs COMPONENT system EXCLUDE_FROM_ALL)
install(FILES packaging/debian/copyright
  DESTINATION ${doc_dir} COMPONENT system EXCLUDE_FROM_ALL)
install(FILES packaging/debian/lintian-overrides
  DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides
  RENAME plumbline COMPONENT system EXCLUDE_FROM_ALL)

# Compressed while installing, without time stamps, as Debian's policy wants manuals and changelogs.
function(plumbline_install_gzipped source destination)
  install(CODE "
    set(to \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${destination}\")
    get_filename_component(directory \"\${to}\" DIRECTORY)
    file(MAKE_DIRECTORY \"\${directory}\")
    execute_process(COMMAND gzip -9nc \"${CMAKE_SOURCE_DIR}/${source}\"
      OUTPUT_FILE \"\${to}\" COMMAND_ERROR_IS_FATAL ANY)
    file(CHMOD \"\${to}\" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
    message(STATUS \"Installing: \${to}\")
  " COMPONENT system EXCLUDE_FROM_ALL)
endfunction()
plumbline_install_gzipped(docs/man/plumbline.1 share/man/man1/plumbline.1.gz)
plumbline_install_gzipped(docs/man/plumbline.yaml.5 share/man/man5/plumbline.yaml.5.gz)
plumbline_install_gzipped(CHANGELOG.md ${doc_dir}/changelog.gz)
plumbline_install_gzipped(packaging/debian/changelog ${doc_dir}/changelog.Debian.gz)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME plumbline)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "Plumbline maintainers <maintainers@plumbline.example>")
set(CPACK_COMPONENTS_ALL daemon system)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_INSTALL_PREFIX /usr)
# Without it the absolute places above would be written on the machine that builds.
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS ${CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# What no library says: the certificates that Azure's are checked against, and the unit's helpers.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates, init-system-helpers (>= 1.54)")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"configuration monitor for Azure Monitor
Plumbline watches how Azure Monitor is configured and tells whether it still
is what a baseline says. It reads Azure Resource Manager and Resource Graph,
keeps the history of every configuration, evaluates rules written in the
Azure Policy language on it, and serves scores, findings and drift as metrics,
as an HTTP interface and as a status page. It never changes anything in Azure.

The package holds the daemon with its systemd unit, and a baseline.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_SOURCE_DIR}/packaging/debian/conffiles
  ${CMAKE_SOURCE_DIR}/packaging/debian/postinst
  ${CMAKE_SOURCE_DIR}/packaging/debian/prerm
  ${CMAKE_SOURCE_DIR}/packaging/debian/postrm)
include(CPack)
