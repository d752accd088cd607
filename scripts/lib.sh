# Helpers shared by the scripts of this folder; sourced, never run.
#
# need_apt COMMAND:PACKAGE…  installs Debian packages whose command is missing
# need_cargo                 a Rust toolchain, with fmt and clippy
# need_tool NAME VERSION     a cargo subcommand, built once into .cache/tools
# need_npm NAME@VERSION…     packages of npm, kept in .cache/npm; none of their scripts run
# step NAME COMMAND…         runs one step, prints its time, remembers a failure
# summary                    all steps with their times; fails if one failed

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Debian keeps daemons such as mosquitto where a user's PATH does not look.
PATH="$root/.cache/tools/bin:${CARGO_HOME:-$HOME/.cargo}/bin:$PATH:/usr/sbin:/sbin"
export PATH

say() { printf '%s\n' "$*" >&2; }

die() {
    say "error: $*"
    exit 1
}

need_apt() {
    local pair packages=() commands=()
    for pair in "$@"; do
        if ! command -v "${pair%%:*}" >/dev/null; then
            commands+=("${pair%%:*}")
            packages+=("${pair##*:}")
        fi
    done
    if ((${#packages[@]} == 0)); then return 0; fi

    local ask=(env DEBIAN_FRONTEND=noninteractive)
    if ((EUID != 0)); then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            ask=(sudo -n "${ask[@]}")
        else
            ask=()
        fi
    fi
    if ! command -v apt-get >/dev/null || ((${#ask[@]} == 0)); then
        say "missing: ${commands[*]}"
        say "hint: this script may not install them here; on Debian, as root: apt-get install ${packages[*]}"
        return 1
    fi
    say "installing ${packages[*]}"
    if ! { "${ask[@]}" apt-get update -qq &&
        "${ask[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null; }; then
        say "missing: ${commands[*]}"
        say "hint: apt-get could not install ${packages[*]}: its message stands above"
        return 1
    fi
}

need_cargo() {
    if ! command -v cargo >/dev/null; then
        say "missing: cargo"
        say "hint: install Rust from https://rustup.rs; the version this needs stands in Cargo.toml as rust-version"
        return 1
    fi
    # Crates with C or assembler in them (TLS) and every link step call the C compiler.
    need_apt cc:build-essential
}

need_component() {
    if cargo "$1" --version >/dev/null 2>&1; then return 0; fi
    if command -v rustup >/dev/null && rustup component add "$2"; then return 0; fi
    say "missing: cargo $1"
    say "hint: rustup component add $2"
    return 1
}

need_tool() {
    local name=$1 version=$2
    if command -v "$name" >/dev/null; then return 0; fi
    say "building $name $version once into .cache/tools (some minutes)"
    # Unoptimised on purpose: these tools run for seconds, an optimised build takes several times as long.
    if ! CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$root/.cache/build" \
        cargo install --quiet --locked --debug --root "$root/.cache/tools" --version "$version" "$name"; then
        say "missing: $name"
        say "hint: cargo install --locked $name (it needs the crate registry)"
        return 1
    fi
    rm -rf "$root/.cache/build"
}

need_npm() {
    local wanted missing=()
    for wanted in "$@"; do
        local package="$root/.cache/npm/node_modules/${wanted%@*}/package.json"
        if ! { [ -f "$package" ] && grep -q "\"version\": \"${wanted##*@}\"" "$package"; }; then
            missing+=("$wanted")
        fi
    done
    if ((${#missing[@]} == 0)); then return 0; fi
    say "installing ${missing[*]} into .cache/npm"
    # All in one go: npm takes away what it was not told of this time.
    if ! npm install --silent --no-audit --no-fund --ignore-scripts --no-save --prefix "$root/.cache/npm" "$@"; then
        say "missing: ${missing[*]}"
        say "hint: npm install --no-save --prefix .cache/npm $* (it needs the registry of npm)"
        # At a desk without the registry the other tests still say something; those that need the packages say that they skip.
        if [ "${CI:-}" = true ]; then return 1; else return 0; fi
    fi
}

step_lines=()
step_failed=0

step() {
    local name=$1 began=$SECONDS verdict=ok
    shift
    say ""
    say "== $name"
    # A subshell with -e of its own: `set -e` is off inside a condition, so a plain call would hide a failing line.
    set +e
    (
        set -e
        "$@"
    )
    local status=$?
    set -e
    if ((status != 0)); then
        verdict=FAILED
        step_failed=1
    fi
    step_lines+=("$(printf '%6d s  %-7s %s' $((SECONDS - began)) "$verdict" "$name")")
    say "${step_lines[-1]}"
}

summary() {
    say ""
    printf '%s\n' "${step_lines[@]}" >&2
    printf '%6d s  altogether\n' "$SECONDS" >&2
    return "$step_failed"
}
