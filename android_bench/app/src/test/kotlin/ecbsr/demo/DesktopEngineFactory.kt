package ecbsr.demo

import ecbsr.demo.core.Backend
import ecbsr.demo.core.Engine
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.UserFacingException
import ecbsr.demo.engine.BytedecoEngine
import java.nio.ByteBuffer

/** The app's own engine on the desktop, which has no delegates. */
object DesktopEngineFactory : EngineFactory {
    override fun open(model: ByteBuffer, backend: Backend): Engine = when (backend) {
        is Backend.Cpu -> BytedecoEngine(model, backend.threads)
        else -> throw UserFacingException("There is no ${backend.delegate} on this machine.")
    }
}
