import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.maven.eventspy.AbstractEventSpy;
import org.eclipse.aether.RepositoryEvent;
import org.eclipse.aether.artifact.Artifact;

/**
 * Ends Maven at the first artifact that is not the listed one, before a class of it is loaded. Maven itself compares only
 * with a checksum from the same server, and its own list of checksums needs Maven 3.9. Properties: pinned.list, the file
 * of lines "SHA-256  COORDINATES"; pinned.record, "true" to append what the file does not have.
 */
public final class PinnedChecksums extends AbstractEventSpy {
    private final Path list = Path.of(System.getProperty("pinned.list"));
    private final boolean record = Boolean.getBoolean("pinned.record");
    private final Map<String, String> pinned = new HashMap<>();
    private final Map<Path, String> checked = new ConcurrentHashMap<>();

    @Override
    public void init(Context context) throws IOException {
        for (String line : Files.readAllLines(list)) {
            String[] parts = line.split("  ", 2);
            pinned.put(parts[1], parts[0]);
        }
    }

    @Override
    public void onEvent(Object event) {
        if (!(event instanceof RepositoryEvent repository)
                || repository.getType() != RepositoryEvent.EventType.ARTIFACT_RESOLVED || repository.getFile() == null) return;
        try {
            check(repository.getArtifact(), repository.getFile().toPath());
        } catch (IOException | NoSuchAlgorithmException | RuntimeException error) {
            end(error.toString());
        }
    }

    private synchronized void check(Artifact artifact, Path file) throws IOException, NoSuchAlgorithmException {
        String name = artifact.toString();
        if (name.startsWith("ecbsr:demo:") || checked.containsKey(file)) return; // the project itself
        String sum = sha256(file), expected = pinned.get(name);
        if (expected == null && record) {
            Files.write(list, List.of(sum + "  " + name), StandardOpenOption.APPEND);
        } else if (expected == null) {
            end(name + " has no SHA-256 in " + list + "; compare it (" + sum + ") and add it with RECORD=true");
        } else if (!sum.equals(expected)) {
            end(file + " has the SHA-256 " + sum + ", but " + list + " has " + expected + " for " + name + "; delete it and try again");
        }
        checked.put(file, sum);
    }

    private static String sha256(Path file) throws IOException, NoSuchAlgorithmException {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        try (InputStream in = Files.newInputStream(file)) {
            byte[] part = new byte[1 << 16];
            for (int count = in.read(part); count > 0; count = in.read(part)) digest.update(part, 0, count);
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    // Maven logs an exception of a listener and goes on, so that this ends the process.
    private static void end(String message) {
        System.err.println("PinnedChecksums: " + message);
        Runtime.getRuntime().halt(1);
    }
}
