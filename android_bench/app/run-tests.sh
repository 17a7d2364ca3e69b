#!/usr/bin/env bash
# Compiles the app and runs its tests; a fresh Debian machine is enough. First the Python side writes the expected
# results. The tests render the screens into build/app/screens; --screens also updates the screens of the README.
# Environment: MODELS as for build-apk.sh, PYTHON (default .venv/bin/python).
source "$(dirname "$0")/common.sh"
PYTHON=${PYTHON:-.venv/bin/python}
[ -x "$PYTHON" ] || command -v "$PYTHON" >/dev/null || fail "$PYTHON is missing; 'make test' creates it"
need aapt2=aapt readelf=binutils
need_java
[ "$(uname -m)" = x86_64 ] || fail "the desktop runtime of the tests needs x86_64; this machine is $(uname -m)"

quietly "writing fixtures" env PYTHONPATH=. nice "$PYTHON" -m tests.helpers.make_app_fixtures "$OUT/fixtures" --models "$MODELS"
fetch_parts
gather_libraries
gather_assets
link_resources

# The configuration of Robolectric, as Gradle writes it.
config=$OUT/test-resources/com/android/tools
mkdir -p "$config"
cat > "$config/test_config.properties" <<END
android_merged_manifest=$PWD/$OUT/AndroidManifest.xml
android_merged_assets=$PWD/$OUT/assets
android_resource_apk=$PWD/$OUT/resources.apk
android_custom_package=ecbsr.demo
END

rm -rf "$OUT"/maven* # the compiler does not delete the classes of removed sources
maven -P app test
maven -P jni test
quietly "reading the app's results" "$PYTHON" -m android_bench.cli --import "$OUT/fixtures/results.json" --import "$OUT/fixtures/video.json" --json
if [ "${1:-}" = --screens ]; then
    for name in picture pixels video models timing; do
        # Two thirds of the size and 256 colors are enough for a README.
        "$PYTHON" -c "from PIL import Image; screen = Image.open('$OUT/screens/$name.png').convert('RGB')
small = screen.resize((screen.width * 2 // 3, screen.height * 2 // 3), Image.Resampling.BOX)
small.quantize(256, dither=Image.Dither.NONE).save('$APP/screens/$name.png', optimize=True)"
    done
fi
echo "$(cat "$OUT"/maven*/surefire-reports/*.txt | sed -n 's/^Tests run: \([0-9]*\).*/\1/p' | awk '{ n += $1 } END { print n }') tests of the app passed"
