package ecbsr.demo

import android.app.Application
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.Protocol
import ecbsr.demo.engine.AndroidEngineFactory

/** Keeps one view model for all screens, so that it survives a rotation of the phone. */
class DemoApp : Application() {
    /** Tests set the desktop runtime and a shorter protocol. */
    var engines: EngineFactory = AndroidEngineFactory
    var protocol = Protocol()
    val viewModel by lazy { DemoViewModel(this, engines, protocol) }
}
