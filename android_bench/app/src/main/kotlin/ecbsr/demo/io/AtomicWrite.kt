package ecbsr.demo.io

import ecbsr.demo.core.UserFacingException
import java.io.File
import java.io.OutputStream

/** Writes this file completely or not at all. @throws UserFacingException when the finished file cannot be moved into place. */
internal fun File.writeAtomically(write: (OutputStream) -> Unit) {
    parentFile?.mkdirs()
    val temporary = File("$path.part")
    try {
        temporary.outputStream().use(write)
        if (!temporary.renameTo(this)) throw UserFacingException("The phone's storage cannot be written to.")
    } finally {
        temporary.delete()
    }
}
