package ecbsr.demo.core.video

/**
 * Passes pictures from one thread to another, and holds one. If the receiver is slow, a live source replaces the waiting
 * picture by a newer one, and any other source waits.
 */
class Mailbox<T : Any>(private val isLive: Boolean) {
    private val lock = Object()
    private var waiting: T? = null
    private var isClosed = false

    /** @return what nobody will receive: the replaced picture, [item] itself after [close], or null. */
    fun put(item: T): T? = synchronized(lock) {
        while (!isLive && waiting != null && !isClosed) lock.wait()
        if (isClosed) return item
        val replaced = waiting
        waiting = item
        lock.notifyAll()
        replaced
    }

    /** Waits for the next picture; null after [close]. */
    fun take(): T? = synchronized(lock) {
        while (waiting == null && !isClosed) lock.wait()
        if (isClosed) return null
        waiting.also {
            waiting = null
            lock.notifyAll()
        }
    }

    /** Removes and returns the waiting picture, as after a jump in the file. */
    fun clear(): T? = synchronized(lock) {
        waiting.also {
            waiting = null
            lock.notifyAll()
        }
    }

    fun close() = synchronized(lock) {
        isClosed = true
        lock.notifyAll()
    }
}
