plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "ecbsr.demo"
    compileSdk = 36

    defaultConfig {
        applicationId = "ecbsr.demo"
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
        ndk { abiFilters += listOf("arm64-v8a", "armeabi-v7a", "x86_64") }
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    // A decoder reads only an uncompressed clip from the APK.
    androidResources { noCompress += listOf("tflite", "mp4") }

    packaging {
        jniLibs.useLegacyPackaging = true // compressed native libraries halve the size of the APK
        jniLibs.excludes += "lib/x86_64/libtensorflowlite*" // the emulator has no delegates for it
        resources.excludes += setOf("META-INF/native-image/**", "META-INF/maven/**")
    }

    sourceSets["main"].assets.srcDir(layout.buildDirectory.dir("zoo"))

    testOptions.unitTests {
        isIncludeAndroidResources = true
        all {
            it.systemProperty("ecbsr.fixtures", rootDir.resolve("../../build/app/fixtures").path)
            it.systemProperty("ecbsr.libraries", rootDir.resolve("../../build/app/lib").path)
            it.environment("EGL_PLATFORM", "surfaceless") // OpenGL ES without a window and without a GPU
            it.environment("LIBGL_ALWAYS_SOFTWARE", "1")
        }
    }
}

kotlin { jvmToolchain(17) }

/** The package's int8 models, the sample picture and the clip. */
val copyZoo = tasks.register<Copy>("copyZoo") {
    from("../../ecbsr_mobile/zoo") { include("ecbsr-m4c16-x2-int8.tflite", "ecbsr-m4c16-x4-int8.tflite", "ecbsr-m4c8-x2-int8.tflite") }
    from("../../ecbsr_mobile/zoo/pictures") { include("chelsea.png") }
    from("clip") { include("clip.mp4") }
    into(layout.buildDirectory.dir("zoo"))
}
tasks.named("preBuild") { dependsOn(copyZoo) }

dependencies {
    implementation(libs.bytedeco.tensorflow.lite)
    for (processor in listOf("android-arm64", "android-x86_64")) {
        implementation(variantOf(libs.bytedeco.tensorflow.lite) { classifier(processor) })
        implementation(variantOf(libs.javacpp) { classifier(processor) })
    }
    // The same classes from two places. LiteRT supports memory pages of 16 KB. It was never tried with this app.
    if (providers.gradleProperty("litert").isPresent) {
        implementation(libs.litert)
        implementation(libs.litert.gpu)
        implementation(libs.litert.gpu.api)
    } else {
        implementation(libs.tensorflow.lite)
        implementation(libs.tensorflow.lite.gpu)
        implementation(libs.tensorflow.lite.gpu.api)
    }

    testImplementation(libs.junit)
    testImplementation(libs.robolectric)
    testImplementation(libs.androidx.test.monitor)
    testImplementation(libs.json) // Android's implementation is a stub in unit tests
    testImplementation(variantOf(libs.bytedeco.tensorflow.lite) { classifier("linux-x86_64") })
    testImplementation(variantOf(libs.javacpp) { classifier("linux-x86_64") })
    testImplementation(libs.lwjgl)
    testImplementation(variantOf(libs.lwjgl) { classifier("natives-linux") })
    testImplementation(libs.lwjgl.opengles)
    testImplementation(variantOf(libs.lwjgl.opengles) { classifier("natives-linux") })
    testImplementation(libs.lwjgl.egl)
}
