#!/usr/bin/env bash
# Checks the signature, alignment, permissions, size and content of an APK.
set -euo pipefail
apk=$1
fail() { echo "check-apk.sh: $apk: $*" >&2; exit 1; }
max_bytes=$((12 * 1024 * 1024))

apksigner verify "$apk" >/dev/null || fail "the signature is invalid"
zipalign -c -p 4 "$apk" || fail "it is not aligned"
[ "$(stat -c %s "$apk")" -le $max_bytes ] || fail "it has $(stat -c %s "$apk") bytes, more than $max_bytes"

badging=$(aapt2 dump badging "$apk" 2>/dev/null) || fail "aapt2 cannot read it"
grep -q "^package: name='ecbsr.demo'" <<<"$badging" || fail "it is not the app"
grep -q "^sdkVersion:'26'" <<<"$badging" || fail "its minimum version is not Android 8.0"
if grep -q "debuggable" <<<"$badging"; then fail "it is debuggable"; fi
if grep "^uses-permission" <<<"$badging"; then fail "it requests a permission"; fi
# The GPU delegate can load the vendor's OpenCL only if the app declares it.
manifest=$(aapt2 dump xmltree --file AndroidManifest.xml "$apk") || fail "its manifest is unreadable"
grep -q "libOpenCL.so" <<<"$manifest" || fail "it does not declare libOpenCL.so"
for abi in arm64-v8a armeabi-v7a x86_64; do
    for library in libtensorflowlite_jni.so libtensorflowlite_gpu_jni.so; do
        unzip -l "$apk" "lib/$abi/$library" >/dev/null || fail "$library for $abi is missing"
    done
done

# unzip shows uncompressed entries as "Stored".
models=$(unzip -v "$apk" 'assets/*.tflite' | grep -c ' Stored .*\.tflite$' || true)
[ "$models" = 2 ] || fail "it has $models uncompressed models, not 2"

dex=$(mktemp -d); trap 'rm -rf "$dex"' EXIT
unzip -qo "$apk" 'classes*.dex' -d "$dex"
classes=$(dexdump "$dex"/*.dex | grep "Class descriptor" || true)
for class in ecbsr/demo/ui/PictureActivity ecbsr/demo/ui/ModelsActivity ecbsr/demo/ui/TimingActivity \
    ecbsr/demo/io/SharedFiles ecbsr/demo/engine/LiteEngine org/tensorflow/lite/NativeInterpreterWrapper \
    org/tensorflow/lite/gpu/GpuDelegate 'org/tensorflow/lite/gpu/GpuDelegateFactory$Options'; do
    grep -qF "'L$class;'" <<<"$classes" || fail "the class $class is missing"
done
