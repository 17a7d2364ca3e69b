package ecbsr.demo.ui

import android.os.Bundle
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.io.ObjectInputStream
import java.io.ObjectOutputStream
import java.io.Serializable

/**
 * Puts an object into the saved state of a screen, as bytes. The state outlives an update of the app, which can change
 * the class; Android ends an app whose state has an object that it cannot read.
 */
internal fun Bundle.saveObject(key: String, value: Serializable?) {
    val bytes = ByteArrayOutputStream().also { output -> ObjectOutputStream(output).use { it.writeObject(value) } }
    putByteArray(key, bytes.toByteArray())
}

/** The object of [saveObject]; null if there is none, or another version of the app wrote it. */
internal inline fun <reified T : Serializable> Bundle.savedObject(key: String): T? = readSaved(key) as? T

internal fun Bundle.readSaved(key: String): Any? {
    val bytes = getByteArray(key) ?: return null
    return try {
        ObjectInputStream(ByteArrayInputStream(bytes)).use { it.readObject() }
    } catch (_: IOException) {
        null
    } catch (_: ReflectiveOperationException) {
        null
    } catch (_: LinkageError) {
        null
    }
}
