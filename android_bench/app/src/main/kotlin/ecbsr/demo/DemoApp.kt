package ecbsr.demo

import android.app.Application
import ecbsr.demo.core.Engines
import ecbsr.demo.core.Protocol
import ecbsr.demo.engine.AndroidEngines

/** One workbench for all screens, so that turning the phone loses nothing. */
class DemoApp : Application() {
    /** Tests put the desktop runtime here, and a shorter measurement. */
    var engines: Engines = AndroidEngines
    var protocol = Protocol()
    val workbench by lazy { Workbench(this, engines, protocol) }
}

val android.content.Context.workbench get() = (applicationContext as DemoApp).workbench
