#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ./do demo   finds ships in a real scene and shows them
# ./do test   builds everything and runs every test
# ./do build | setup | bench | sanitize | fuzz | docs | format
set -euo pipefail
cd "$(dirname "$0")"

build_packages="g++ cmake ninja-build ccache libgdal-dev libproj-dev proj-data libtbb-dev libfmt-dev nlohmann-json3-dev libcli11-dev"
test_packages="libgtest-dev libmuparser-dev libvalijson-dev libbenchmark-dev gdal-bin python3-pytest python3-numpy python3-scipy python3-gdal python3-skimage python3-pil python3-xarray-sentinel python3-jsonschema python3-pyproj python3-netcdf4 python3-h5py python3-cftime python3-xarray python3-zarr python3-spectral pkg-config pybind11-dev python3-dev python3-pip python3-venv python3-setuptools python3-wheel doxygen mkdocs"
bench_packages="python3-opencv python3-pandas octave-optiminterp python3-ais otb-bin grass-core saga"

# Installs what is missing, and only that: without root nothing is asked of the system once the packages are there.
need() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null; then as_root=(sudo)
    else echo "do: these packages are missing; as root run: apt-get install ${missing[*]}" >&2; exit 1; fi
  fi
  echo "installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

jobs="${FULMAR_JOBS:-$(nproc)}"
build() { # preset, extra cmake arguments...
  local preset=$1; shift
  cmake --preset "$preset" "$@" >/dev/null
  cmake --build --preset "$preset" -j "$jobs"
}

demo() {
  need $build_packages
  build release -DFULMAR_TESTS=OFF -DFULMAR_BENCH=OFF -DFULMAR_CUDA=OFF
  mkdir -p demo
  local data=tests/data pipeline
  pipeline="$data/s1_port_losangeles_20210105_30m_db.tif ! linear
    ! mask --with $data/gshhg_f_mask_losangeles_0p0003.tif --buffer 250
    ! cfar --pfa 1e-6 --guard 210 --background 750 ! objects --min-area 1800
    ! [ demo/ships.geojson ] ! [ demo/ships.png ] ! [ demo/ships.csv ] ! demo/ships.gpkg"
  echo
  echo "Ships off the Port of Los Angeles, Sentinel-1, 5 January 2021:"
  echo "$pipeline"
  echo
  ./build/release/cli/fulmar run --overwrite "$pipeline"
  echo
  echo "The ten longest:"
  # Columns by name, so that the table follows the product.
  awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
           { printf "%s %s %s %s %s %s %s\n", $at["length"], $at["id"], $at["width"], $at["heading"], $at["contrast"], $at["lon"], $at["lat"] }' demo/ships.csv |
    sort -gr |
    awk 'BEGIN { printf "%6s %9s %8s %10s %12s %11s %10s\n", "id", "length m", "width m", "heading", "contrast dB", "lon", "lat" }
         NR <= 10 { printf "%6d %9.0f %8.0f %10.0f %12.1f %11.4f %10.4f\n", $2, $1, $3, $4, $5, $6, $7 }'
  echo
  echo "Open demo/ships.gpkg (or demo/ships.geojson) in QGIS; the picture is demo/ships.png."
}

run_tests() { # preset
  ctest --preset "$1" -j "$jobs"
}

case "${1:-}" in
  setup) need $build_packages $test_packages ;;
  build) need $build_packages $test_packages; build release -DFULMAR_TESTS=ON -DFULMAR_BENCH=ON -DFULMAR_CUDA=AUTO -DFULMAR_PYTHON_BINDING=ON ;;
  demo) demo ;;
  test)
    need $build_packages $test_packages
    build release -DFULMAR_TESTS=ON -DFULMAR_BENCH=ON -DFULMAR_CUDA=AUTO -DFULMAR_PYTHON_BINDING=ON
    run_tests release
    ;;
  sanitize)
    need $build_packages $test_packages
    for preset in asan tsan; do build "$preset"; run_tests "$preset"; done
    ;;
  fuzz)
    need $build_packages $test_packages clang
    build fuzz -DFULMAR_FUZZ_SECONDS="${FULMAR_FUZZ_SECONDS:-60}"
    run_tests fuzz
    ;;
  bench)
    need $build_packages $test_packages $bench_packages
    build release -DFULMAR_TESTS=ON -DFULMAR_BENCH=ON -DFULMAR_CUDA=AUTO -DFULMAR_PYTHON_BINDING=ON
    shift
    bench/run "$@"
    ;;
  docs)
    need $build_packages $test_packages
    build release -DFULMAR_TESTS=ON -DFULMAR_BENCH=ON -DFULMAR_CUDA=AUTO -DFULMAR_PYTHON_BINDING=ON
    doxygen Doxyfile
    python3 cli/site/build.py build/site build/release/cli/fulmar
    mkdocs build -q -f build/site/mkdocs.yml
    echo "build/site/html/index.html and build/doxygen/html/index.html"
    ;;
  format) git ls-files '*.hpp' '*.cpp' '*.cuh' '*.cu' | xargs clang-format-14 -i ;;
  *) sed -n '3,5s/^# //p' "$0"; [ -z "${1:-}" ] || exit 2 ;;
esac
