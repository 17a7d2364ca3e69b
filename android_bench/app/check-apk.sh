#!/usr/bin/env bash
# Checks the signature, alignments, permissions, size and content of an APK.
# Each listing is read whole before it is searched: "grep -q" ends early, and its pipe then fails the command before it.
set -euo pipefail
apk=$1
fail() { echo "check-apk.sh: $apk: $*" >&2; exit 1; }
max_bytes=$((16 * 1024 * 1024))

apksigner verify "$apk" >/dev/null || fail "the signature is invalid"
zipalign -c -p 4 "$apk" || fail "it is not aligned"
[ "$(stat -c %s "$apk")" -le $max_bytes ] || fail "it has $(stat -c %s "$apk") bytes, more than $max_bytes"

badging=$(aapt2 dump badging "$apk" 2>/dev/null) || fail "aapt2 cannot read it"
grep -q "^package: name='ecbsr.demo'" <<<"$badging" || fail "it is not the app"
grep -q "^sdkVersion:'26'" <<<"$badging" || fail "its minimum version is not Android 8.0"
grep -q "^targetSdkVersion:'36'" <<<"$badging" || fail "its target is not Android 16"
if grep -q "debuggable" <<<"$badging"; then fail "it is debuggable"; fi
if grep "^uses-permission" <<<"$badging" | grep -v "name='android.permission.CAMERA'"; then fail "it requests a permission besides the camera"; fi
# The GPU delegate can load the vendor's OpenCL only if the app declares it.
manifest=$(aapt2 dump xmltree --file AndroidManifest.xml "$apk") || fail "its manifest is unreadable"
grep -q "libOpenCL.so" <<<"$manifest" || fail "it does not declare libOpenCL.so"

# Native libraries: which ones, compressed or not, and aligned to which size of memory pages.
lite="libtensorflowlite_gpu_jni.so libtensorflowlite_jni.so"
bytedeco="libjnijavacpp.so libjnitensorflowlite.so"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
unzip -qo "$apk" 'lib/*' 'classes*.dex' -d "$work"
check_libraries() { # ABI LIBRARY...
    local abi=$1 found; shift
    found=$(ls "$work/lib/$abi" 2>/dev/null | sort | tr '\n' ' ')
    [ "$found" = "$(printf '%s\n' "$@" | sort | tr '\n' ' ')" ] || fail "lib/$abi has '$found', not '$*'"
}
check_libraries arm64-v8a $bytedeco $lite
check_libraries armeabi-v7a $lite
check_libraries x86_64 $bytedeco
unzip -l "$apk" org/bytedeco/javacpp/properties/android-arm64.properties >/dev/null || fail "javacpp does not find its libraries"
# Android extracts compressed libraries when it installs the app, so their place in the ZIP does not matter.
libraries=$(unzip -v "$apk" 'lib/*') || fail "its native libraries are unreadable"
if grep ' Stored .*\.so$' <<<"$libraries"; then fail "a native library is not compressed"; fi
grep -q "extractNativeLibs.*=true" <<<"$manifest" || fail "it does not extract its native libraries"
page=$((16 * 1024))
for library in "$work"/lib/*/*.so; do
    # 32-bit phones have pages of 4 KB. The engine does not load the others of 4 KB where pages are larger.
    case $library in */armeabi-v7a/*|*/libtensorflowlite*) smallest=4096;; *) smallest=$page;; esac
    alignments=$(readelf -lW "$library" | awk '$1 == "LOAD" { print $NF }')
    [ -n "$alignments" ] || fail "${library#"$work/"} has no loadable segment"
    for alignment in $alignments; do
        [ $((alignment)) -ge "$smallest" ] || fail "${library#"$work/"} is aligned to $((alignment)) bytes, not $smallest"
    done
done

# unzip shows uncompressed entries as "Stored".
assets=$(unzip -v "$apk" 'assets/*') || fail "its assets are unreadable"
models=$(grep -c ' Stored .*\.tflite$' <<<"$assets" || true)
[ "$models" = 3 ] || fail "it has $models uncompressed models, not 3"
grep -q ' Stored .*/clip.mp4$' <<<"$assets" || fail "it has no uncompressed clip"

classes=$(dexdump "$work"/*.dex | grep "Class descriptor" || true)
for class in ecbsr/demo/ui/PictureActivity ecbsr/demo/ui/ModelsActivity ecbsr/demo/ui/TimingActivity ecbsr/demo/ui/VideoActivity \
    ecbsr/demo/io/SharedFiles ecbsr/demo/engine/BytedecoEngine org/bytedeco/tensorflowlite/Interpreter \
    ecbsr/demo/engine/LiteEngine org/tensorflow/lite/NativeInterpreterWrapper \
    org/tensorflow/lite/gpu/GpuDelegate 'org/tensorflow/lite/gpu/GpuDelegateFactory$Options'; do
    grep -qF "'L$class;'" <<<"$classes" || fail "the class $class is missing"
done
