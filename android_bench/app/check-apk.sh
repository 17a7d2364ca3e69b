#!/usr/bin/env bash
# Looks at an APK as a careful receiver would: signature, alignment, permissions, size, what is inside.
set -euo pipefail
apk=$1
fail() { echo "check-apk.sh: $apk: $*" >&2; exit 1; }
most=$((12 * 1024 * 1024))

apksigner verify "$apk" >/dev/null || fail "the signature does not verify"
zipalign -c -p 4 "$apk" || fail "it is not aligned"
[ "$(stat -c %s "$apk")" -le $most ] || fail "it is $(stat -c %s "$apk") bytes, more than $most"

badging=$(aapt2 dump badging "$apk" 2>/dev/null) || fail "aapt2 cannot read it"
grep -q "^package: name='ecbsr.demo'" <<<"$badging" || fail "it is not the app"
grep -q "^sdkVersion:'26'" <<<"$badging" || fail "its oldest Android is not 8.0"
if grep -q "debuggable" <<<"$badging"; then fail "it can be debugged by anyone"; fi
if grep "^uses-permission" <<<"$badging"; then fail "it asks for a permission"; fi
# The GPU delegate finds a vendor's OpenCL only if the app names it.
aapt2 dump xmltree --file AndroidManifest.xml "$apk" | grep -q "libOpenCL.so" || fail "it does not name libOpenCL.so"
for abi in arm64-v8a armeabi-v7a x86_64; do
    for library in libtensorflowlite_jni.so libtensorflowlite_gpu_jni.so; do
        unzip -l "$apk" "lib/$abi/$library" >/dev/null || fail "it lacks $library for $abi"
    done
done

# "Stored" is the method of an entry that is not compressed.
models=$(unzip -v "$apk" 'assets/*.tflite' | grep -c ' Stored .*\.tflite$' || true)
[ "$models" = 2 ] || fail "it has $models uncompressed models, not 2"

dex=$(mktemp -d); trap 'rm -rf "$dex"' EXIT
unzip -qo "$apk" 'classes*.dex' -d "$dex"
classes=$(dexdump "$dex"/*.dex | grep "Class descriptor" || true)
for class in ecbsr/demo/ui/PictureActivity ecbsr/demo/ui/ModelsActivity ecbsr/demo/ui/TimingActivity \
    ecbsr/demo/io/SharedFiles ecbsr/demo/engine/LiteEngine org/tensorflow/lite/NativeInterpreterWrapper \
    org/tensorflow/lite/gpu/GpuDelegate 'org/tensorflow/lite/gpu/GpuDelegateFactory$Options'; do
    grep -qF "'L$class;'" <<<"$classes" || fail "it lacks the class $class"
done
