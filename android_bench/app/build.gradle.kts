plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "ecbsr.demo"
    compileSdk = 34

    defaultConfig {
        applicationId = "ecbsr.demo"
        minSdk = 26
        targetSdk = 34
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

    // The interpreter can map only an uncompressed model from the APK.
    androidResources { noCompress += "tflite" }

    // Compressed native libraries halve the size of the APK.
    packaging { jniLibs.useLegacyPackaging = true }

    sourceSets["main"].assets.srcDir(layout.buildDirectory.dir("zoo"))

    testOptions.unitTests {
        isIncludeAndroidResources = true
        all { it.systemProperty("ecbsr.fixtures", rootDir.resolve("../../build/app/fixtures").path) }
    }
}

kotlin { jvmToolchain(17) }

/** The package's int8 models and the sample picture. */
val copyZoo = tasks.register<Copy>("copyZoo") {
    from("../../ecbsr_mobile/zoo") { include("ecbsr-m4c16-x2-int8.tflite", "ecbsr-m4c16-x4-int8.tflite") }
    from("../../ecbsr_mobile/zoo/pictures") { include("chelsea.png") }
    into(layout.buildDirectory.dir("zoo"))
}
tasks.named("preBuild") { dependsOn(copyZoo) }

dependencies {
    implementation(libs.tensorflow.lite)
    implementation(libs.tensorflow.lite.gpu)
    implementation(libs.tensorflow.lite.gpu.api)

    testImplementation(libs.junit)
    testImplementation(libs.robolectric)
    testImplementation(libs.androidx.test.monitor)
    testImplementation(libs.json) // Android's implementation is a stub in unit tests
    testImplementation(libs.bytedeco.tensorflow.lite)
    testImplementation(variantOf(libs.bytedeco.tensorflow.lite) { classifier("linux-x86_64") })
    testImplementation(variantOf(libs.javacpp) { classifier("linux-x86_64") })
}
