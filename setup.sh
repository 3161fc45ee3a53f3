#!/bin/sh
# Sets up the virtual environment in .venv and the system libraries that Qt needs.
# Called by the Makefile: sh setup.sh run|dev|bench
set -eu

QT_PACKAGES="libegl1 libgl1 libfontconfig1 libxkbcommon0 libglib2.0-0 libdbus-1-3 fonts-dejavu-core"
X_PACKAGES="libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-render-util0 \
libxcb-randr0 libxcb-shape0 libxcb-xkb1 libxkbcommon-x11-0 libx11-xcb1"

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n "$@"
    else return 1
    fi
}

# Install Debian packages where that is possible; else print the command and go on.
debian() {
    command -v apt-get >/dev/null || return 1
    if as_root apt-get update -qq >/dev/null 2>&1 &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null 2>&1
    then return 0
    fi
    say "setup: could not install system packages; please run:"
    say "    sudo apt-get install -y $*"
    return 1
}

find_python() {
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null &&
            "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null
        then echo "$name"; return 0
        fi
    done
    say "setup: no Python 3.11 to 3.13 found; install one (sudo apt-get install -y python3 python3-venv)"
    exit 1
}

make_venv() {
    [ -x .venv/bin/pip ] && return 0
    python=$(find_python)
    if ! "$python" -m venv .venv >/dev/null 2>&1; then
        rm -rf .venv
        debian python3-venv || exit 1
        "$python" -m venv .venv
    fi
}

qt_libraries() {
    for library in libEGL.so.1 libGL.so.1 libxkbcommon.so.0 libfontconfig.so.1 \
        libglib-2.0.so.0 libdbus-1.so.3 libxcb-cursor.so.0
    do
        if ! ldconfig -p 2>/dev/null | grep -q "$library"; then
            # shellcheck disable=SC2086
            debian $QT_PACKAGES $X_PACKAGES || say "setup: without them everything but the viewer works"
            return 0
        fi
    done
}

case "${1:-run}" in
run)
    make_venv
    qt_libraries
    say "setup: installing silicon-retina and what it builds on into .venv"
    .venv/bin/pip install --quiet --disable-pip-version-check --editable .
    say "setup: compiling the kernels"
    .venv/bin/retina run nmnist --headless --set source.pace=fast --set source.limit=1 \
        --set log.quiet=true >/dev/null
    ;;
dev)
    .venv/bin/pip install --quiet --disable-pip-version-check --editable '.[dev]'
    ;;
bench)
    # What the simulators need of their own; torchvision, torchaudio and the like are not among it.
    install() { .venv/bin/pip install --quiet --disable-pip-version-check "$@"; }
    peer() {
        name=$1
        shift
        "$@" || say "setup: $name could not be installed; it is left out of the comparison"
    }
    norse() { install nir && install --no-deps nirtorch norse; }
    spikingjelly() { install loguru && install --no-deps spikingjelly; }
    sinabs() { install nir matplotlib pbr && install --no-deps nirtorch sinabs; }
    install --editable '.[bench]' || say "setup: 'bench' could not be installed"
    peer snntorch install snntorch
    peer norse norse
    peer spikingjelly spikingjelly
    peer sinabs sinabs
    peer eventcv install eventcv
    # Readers of recordings, and tonic's data sets: what they need beyond NumPy stays away.
    for reader in faery expelliarmus aedat event_stream; do
        peer $reader install $reader
    done
    for reader in evutils aestream tonic; do
        peer $reader install --no-deps $reader
    done
    ;;
*)
    say "usage: sh setup.sh run|dev|bench"
    exit 2
    ;;
esac
