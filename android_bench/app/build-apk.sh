#!/usr/bin/env bash
# Builds build/ecbsr-demo.apk without Gradle; a fresh Debian machine is enough. It does nothing if the APK is up to
# date. Environment: MODELS, the folder of the int8 models (default ecbsr_mobile/zoo).
source "$(dirname "$0")/common.sh"
APK=build/ecbsr-demo.apk

# A folder is newer where a file of it was added or deleted.
if [ -f $APK ] && [ -z "$(find $APP "$MODELS" $SAMPLE -newer $APK -not -name '*.md' -not -path '*/screens*' -print -quit)" ]; then
    echo $APK
    exit
fi
need aapt2=aapt zipalign=zipalign apksigner=apksigner dexdump=dexdump zip=zip readelf=binutils
need_java
fetch_parts
gather_libraries
gather_assets
link_resources
rm -rf "$OUT/maven/classes" # the compiler does not delete the classes of removed sources
maven -P app compile

work=$(mktemp -d "$OUT/apk.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Converts Kotlin and Java classes to Dalvik bytecode.
"$JAVA_HOME/bin/jar" --create --file "$work/app.jar" -C "$OUT/maven/classes" .
quietly "d8" nice "$JAVA_HOME/bin/java" -Xmx1g -cp "$PARTS/r8.jar" com.android.tools.r8.D8 --release --min-api "$(gradle_number minSdk)" \
    --lib "$PARTS/android-all.jar" --lib "$JAVA_HOME" --output "$work" \
    "$work/app.jar" "$PARTS"/{kotlin-stdlib,bytedeco-tensorflow-lite,javacpp,tensorflow-lite{,-api,-gpu,-gpu-api}}.jar

# Packs resources, assets, code and native libraries. aapt2 already stored the models without compression.
cp "$OUT/resources.apk" "$work/unaligned.apk"
cp -r "$OUT/lib" "$work/"
quietly "unzip" unzip -q "$PARTS/javacpp.jar" 'org/bytedeco/javacpp/properties/android-*' -d "$work" # names of its libraries
(cd "$work" && find lib org classes*.dex -exec touch -d 1980-01-01 {} + && quietly "zip" zip -qrX unaligned.apk classes*.dex lib org)
quietly "zipalign" zipalign -p 4 "$work/unaligned.apk" "$work/aligned.apk"

# Android requires a signature. This debug key is not suitable for an app store.
[ -f "$OUT/debug.keystore" ] || quietly "keytool" "$JAVA_HOME/bin/keytool" -genkeypair -keystore "$OUT/debug.keystore" -storepass android \
    -alias debug -keypass android -dname "CN=Android Debug" -keyalg RSA -keysize 2048 -validity 10000
quietly "apksigner" apksigner sign --ks "$OUT/debug.keystore" --ks-pass pass:android --out "$work/signed.apk" "$work/aligned.apk"
$APP/check-apk.sh "$work/signed.apk"
mv "$work/signed.apk" $APK
echo $APK
