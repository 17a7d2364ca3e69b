# Common functions of build-apk.sh and run-tests.sh, which source this file. The working directory is the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
APP=android_bench/app
OUT=build/app
PARTS=$OUT/parts
MODELS=${MODELS:-ecbsr_mobile/zoo} # folder of the bundled .tflite files
SAMPLE=ecbsr_mobile/zoo/pictures/chelsea.png
CLIP=$APP/clip/clip.mp4
mkdir -p "$OUT"

fail() { echo "$(basename "$0"): $*" >&2; exit 1; }

# quietly LABEL COMMAND...: shows the output of a command only if it fails.
quietly() {
    local label=$1 log; shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then rm -f "$log"; return; fi
    cat "$log" >&2; rm -f "$log"
    fail "$label failed"
}

# need COMMAND=PACKAGE...: installs the packages of missing commands.
need() {
    local pair packages=()
    for pair in "$@"; do command -v "${pair%%=*}" >/dev/null || packages+=("${pair#*=}"); done
    [ ${#packages[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || fail "missing: ${packages[*]}; install them and try again"
    [ "$(id -u)" = 0 ] || fail "missing: run 'sudo apt-get install ${packages[*]}' and try again"
    echo "installing ${packages[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    quietly "apt-get update" apt-get -q update
    quietly "apt-get install" apt-get -q -y --no-install-recommends install "${packages[@]}"
}

need_java() {
    [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/javac" ] || need javac=default-jdk-headless # 17 or newer
    export JAVA_HOME=${JAVA_HOME:-$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")}
    need mvn=maven unzip=unzip
}

# maven ARGUMENTS...: runs Maven quietly at low priority, and repeats failed downloads. Every artifact, plugins included,
# is compared with maven.sha256 before it is used. After a change of a version, RECORD=true adds what the list lacks.
maven() {
    local log try
    build_checksum_spy
    export MAVEN_OPTS=${MAVEN_OPTS:--XX:TieredStopAtLevel=1 -XX:+UseSerialGC} # half the work for runs as short as these
    log=$(mktemp)
    for try in 1 2 3; do
        if nice mvn -B -C -q -ntp -T1 -Dmaven.ext.class.path="$OUT/spy" -Dpinned.list=$APP/maven.sha256 \
            -Dpinned.record="${RECORD:-false}" -f $APP/pom.xml "$@" >"$log" 2>&1; then rm -f "$log"; return; fi
        grep -q "Could not transfer\|Could not resolve\|Connection\|timed out" "$log" || break
        sleep $((try * 5))
    done
    cat "$log" >&2; rm -f "$log"
    fail "mvn $* failed"
}

# Compiles the part of Maven that compares checksums, with Maven's own libraries.
build_checksum_spy() {
    local source=$APP/src/maven/PinnedChecksums.java home
    [ $source -nt "$OUT/spy/PinnedChecksums.class" ] || return 0
    home=$(mvn -v 2>/dev/null | sed -n 's/^Maven home: //p')
    mkdir -p "$OUT/spy/META-INF/plexus"
    echo "<component-set><components><component><role>org.apache.maven.eventspy.EventSpy</role><role-hint>pinned</role-hint>
        <implementation>PinnedChecksums</implementation></component></components></component-set>" > "$OUT/spy/META-INF/plexus/components.xml"
    # Last, because the class says that both are there: without the other one, Maven would compare nothing.
    quietly "javac" "$JAVA_HOME/bin/javac" -proc:none --release 17 -cp "$home/lib/*" -d "$OUT/spy" $source
}

# Fetches and unpacks the libraries that Maven cannot put on a class path.
fetch_parts() {
    [ "$PARTS/.done" -nt $APP/pom.xml ] && return
    maven -P parts initialize
    local aar name
    for aar in "$PARTS"/*.aar; do
        name=$(basename "$aar" .aar)
        unzip -p "$aar" classes.jar > "$PARTS/$name.jar"
        unzip -qo "$aar" 'jni/*' -d "$PARTS" 2>/dev/null || true # some have no native code
    done
    touch "$PARTS/.done"
}

# Gathers the native libraries of the APK. 64-bit phones can have memory pages of 16 KB, which bytedeco's build supports.
# It has none for 32-bit phones, and on the emulator (x86_64) the delegates of org.tensorflow.lite are of no use.
gather_libraries() {
    local part
    rm -rf "$OUT/lib"; mkdir "$OUT/lib"
    cp -r "$PARTS/jni/arm64-v8a" "$PARTS/jni/armeabi-v7a" "$OUT/lib/"
    for part in "$PARTS"/*-android-*.jar; do quietly "unzip" unzip -qo "$part" 'lib/*' -d "$OUT"; done
}

# Copies the assets: the int8 models, the sample picture and the clip.
gather_assets() {
    rm -rf "$OUT/assets"; mkdir -p "$OUT/assets"
    local model
    for model in m4c16-x2 m4c16-x4 m4c8-x2; do
        cp "$MODELS/ecbsr-$model-int8.tflite" "$OUT/assets/" || fail "$MODELS has no int8 model $model"
    done
    cp $SAMPLE $CLIP "$OUT/assets/"
}

# Compiles and links the resources into R.java and an APK without code.
link_resources() {
    rm -rf "$OUT/generated" "$OUT/resources.zip"; mkdir -p "$OUT/generated"
    sed "s/\${applicationId}/$(application_id)/" $APP/src/main/AndroidManifest.xml |
        sed "s/<manifest /<manifest package=\"$(application_id)\" /; s/<application$/& android:extractNativeLibs=\"true\"/" \
            > "$OUT/AndroidManifest.xml" # as Gradle writes it
    quietly "aapt2 compile" aapt2 compile --dir $APP/src/main/res -o "$OUT/resources.zip"
    # Debian's aapt2 is older than <uses-native-library>. It warns, but writes the element.
    # The dot in "-0 .tflite" is required. A decoder needs the clip uncompressed.
    quietly "aapt2 link" aapt2 link -o "$OUT/resources.apk" -I "$PARTS/android-all.jar" --manifest "$OUT/AndroidManifest.xml" \
        --min-sdk-version "$(gradle_number minSdk)" --target-sdk-version "$(gradle_number targetSdk)" \
        --version-code "$(gradle_number versionCode)" --version-name "$(gradle_text versionName)" \
        -A "$OUT/assets" -0 .tflite -0 .mp4 --java "$OUT/generated" --auto-add-overlay --warn-manifest-validation "$@" "$OUT/resources.zip"
}

application_id() { gradle_text applicationId; }
gradle_text() { sed -n "s/^ *$1 = \"\(.*\)\"/\1/p" $APP/build.gradle.kts; }
gradle_number() { sed -n "s/^ *$1 = \([0-9]*\)$/\1/p" $APP/build.gradle.kts; }
