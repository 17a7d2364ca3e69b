package ecbsr.demo.core.video

/**
 * Three instances between a writing and a reading thread, neither of which waits for the other. The reader always gets
 * the newest complete one.
 */
class TripleBuffer<T>(first: T, second: T, third: T) {
    /** The writer's instance. Only the writing thread uses it, until [publish]. */
    var back = first
        private set
    private var middle = second
    private var front = third
    private var isNew = false

    /** Makes [back] the newest instance. @return whether the reader missed the previous one. */
    @Synchronized
    fun publish(): Boolean {
        back = middle.also { middle = back }
        return isNew.also { isNew = true }
    }

    /** The newest instance, which belongs to the reading thread until the next call. */
    @Synchronized
    fun latest(): T {
        if (isNew) front = middle.also { middle = front }
        isNew = false
        return front
    }
}
