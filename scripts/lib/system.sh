# shellcheck shell=bash
# What scripts/test-container and scripts/test-systemd share. Sourced with `set -euo pipefail`, from
# the repository's root; not run.

say() { printf '\n== %s (%s)\n' "$1" "$(date -u +%H:%M:%S)"; }
ok() { printf 'ok    %s\n' "$1"; }
die() {
  printf 'FAIL  %s\n' "$1" >&2
  exit 1
}

# wait_until SECONDS COMMAND...: true as soon as the command succeeds.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

need_root() {
  [ "$(id -u)" -eq 0 ] || { echo "$0: needs root" >&2; exit 2; }
}

# make_rootfs TARBALL PACKAGE...: a minimal Debian 12, kept for the next run. Packages come from
# where this machine gets its own, so that mirrors and proxies need no setting.
make_rootfs() {
  local tarball=$1
  shift
  local packages wanted
  wanted=$(printf '%s\n' "$@")
  if [ -s "$tarball" ] && [ "$(cat "$tarball.packages")" = "$wanted" ]; then
    echo "using $tarball"
    return
  fi
  local sources=() options=()
  mapfile -t sources < <(grep -lsE '(^|[[:space:]])bookworm([[:space:]]|$)' \
    /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources)
  local kind proxy
  for kind in http https; do
    proxy=$(apt-config shell proxy "Acquire::$kind::Proxy" | sed "s/^proxy='\(.*\)'$/\1/")
    [ -z "$proxy" ] || options+=(--aptopt="Acquire::$kind::Proxy \"$proxy\"")
  done
  packages=$(IFS=,; echo "$*")
  [ -z "$packages" ] || options+=(--include="$packages")
  mkdir -p "$(dirname "$tarball")"
  mmdebstrap --quiet --mode=root --variant=minbase \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt=path-exclude=/usr/share/man/* --dpkgopt=path-exclude=/usr/share/locale/* \
    "${options[@]}" bookworm "$tarball.new" "${sources[@]}" --format=tar
  printf '%s\n' "$wanted" >"$tarball.packages"
  mv "$tarball.new" "$tarball"
  echo "made $tarball"
}

# wait_for_file PATH PID: for what another process writes when it is ready.
wait_for_file() {
  local deadline=$((SECONDS + 15))
  until [ -s "$1" ]; do
    kill -0 "$2" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.05
  done
}
