package ecbsr.demo

import android.app.Application
import ecbsr.demo.core.EngineFactory
import ecbsr.demo.core.Protocol
import ecbsr.demo.core.video.VideoDecoder
import ecbsr.demo.engine.AndroidEngineFactory
import ecbsr.demo.video.MediaFileDecoder
import ecbsr.demo.video.MediaSource

/** Keeps one view model for all screens, so that it survives a rotation of the phone. */
class DemoApp : Application() {
    /** Tests set the desktop runtime, a shorter protocol and a decoder. */
    lateinit var engines: EngineFactory
    var protocol = Protocol()
    var openDecoder: (MediaSource) -> VideoDecoder = ::MediaFileDecoder
    val viewModel by lazy { DemoViewModel(this, engines, protocol, openDecoder) }

    override fun onCreate() {
        super.onCreate()
        engines = AndroidEngineFactory(this)
    }
}
