import type { NodeBundle } from './node-bundle.ts';

/** What a machine without gantry runs to join. It asks nothing of the machine but sh, curl, tar and coreutils. */
export function joinScript(bundle: NodeBundle, version: string, architecture: string): string {
  const folder = `${version}-${bundle.sha256.slice(0, 12)}`;
  const machine = architecture === 'x64' ? 'x86_64' : 'aarch64';
  return `#!/bin/sh
# join.sh SERVER [flags of "gantry join"]: installs gantry ${version} from that server, and joins its cluster.
# GANTRY_PREFIX: where it is installed (/opt/gantry); GANTRY_BIN: where the command goes (/usr/local/bin);
# GANTRY_SERVICE=1: systemd runs it from now on, instead of this shell. GANTRY_PROXY (or --proxy): the HTTP proxy to servers, in place of HTTPS_PROXY.
set -eu

fail() { echo "join.sh: $1" >&2; exit 1; }

main() {
  server=\${1:-}
  case $server in https://*) shift ;; *) fail "name the server: https://HOST:6443" ;; esac
  [ "$(id -u)" = 0 ] || fail "containers need root: run it as root"
  [ "$(uname -s) $(uname -m)" = "Linux ${machine}" ] || fail "this server has programs for Linux ${machine} only, not $(uname -s) $(uname -m)"
  proxy=\${GANTRY_PROXY:-}
  before=
  for word in "$@"; do
    case $before,$word in
      --proxy,*) proxy=$word ;;
      *,--proxy=*) proxy=\${word#--proxy=} ;;
    esac
    before=$word
  done
  prefix=\${GANTRY_PREFIX:-/opt/gantry}
  bin=\${GANTRY_BIN:-/usr/local/bin}
  place=$prefix/${folder}
  if [ ! -x "$place/bin/gantry" ]; then
    mkdir -p "$prefix" "$bin"
    new=$(mktemp -d "$prefix/.new.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    echo "join.sh: fetching gantry ${version} (${Math.ceil(bundle.bytes / 1e6)} MB) from $server" >&2
    # Whoever answers here is not known to curl: the sum, which came with this script, says whether it is what the server has.
    curl -fsSk \${proxy:+--proxy "$proxy"} --retry 3 --connect-timeout 10 --speed-limit 1000 --speed-time 60 -o "$new/node.tar.gz" "$server/.well-known/gantry/node-${architecture}.tar.gz" ||
      fail "the programs could not be fetched"
    echo "${bundle.sha256}  $new/node.tar.gz" | sha256sum -c - >/dev/null 2>&1 ||
      fail "what $server sent is damaged, or not what it should be"
    tar -xzf "$new/node.tar.gz" -C "$new" || fail "there is no room for the programs in $prefix"
    "$new/gantry-${version}/bin/gantry" --version >/dev/null || fail "the programs do not run on this machine"
    mv -T "$new/gantry-${version}" "$place" 2>/dev/null || [ -x "$place/bin/gantry" ] || fail "$place cannot be written"
    rm -rf "$new"
    trap - EXIT INT TERM
  fi
  ln -sfn "$place/bin/gantry" "$bin/gantry"
  [ -z "\${GANTRY_SERVICE:-}" ] || exec "$bin/gantry" install -- join "$server" "$@"
  exec "$bin/gantry" join "$server" "$@"
}

main "$@"
`;
}
