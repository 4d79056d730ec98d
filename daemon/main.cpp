#include "daemon/cli/options.hpp"

int main(int argc, char** argv) {
  return plumbline::daemon::run_command_line(argc, argv);
}
