package differential;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.log4j.Level;
import org.apache.log4j.Logger;
import org.apache.log4j.RollingFileAppender;
import org.apache.log4j.spi.LoggingEvent;
import org.apache.log4j.spi.ThrowableInformation;

/**
 * Writes random events through real log4j1, one folder for each layout, rolling by size, and beside them in
 * {@code truth.ndjson} what was logged.
 *
 * <p>Arguments: a file of layouts (one a line), a folder, a seed, how many events for each layout.
 */
public final class Writer {
    private static final String[] LOGGERS = {
        "org.wso2.carbon.core.internal.StartupFinalizerServiceComponent",
        "org.wso2.carbon.apimgt.gateway.handlers.security.APIAuthenticationHandler",
        "org.apache.synapse.mediators.builtin.LogMediator", "Plain", "a.b.C$Inner"};
    private static final String[] THREADS = {
        "main", "HTTP-Listener I/O dispatcher-2", "PassThroughMessageProcessor-14", "http-nio-9443-exec-3",
        "Timer [retry] 7", "pool-12-thread-1"};
    private static final String[] WORDS = {
        "request", "took", "17", "ms", "for", "/orders/4711", "user=admin@carbon.super", "{key}", "[part]", "a|b",
        "größer", "中文", "=", "-", "https://example.com/a?b=c&d=%20e", "null", "\"quoted\"", "50%", "I/O", "'x'",
        "Content-Type:", "2026-01-01"};
    private static final Level[] LEVELS = {
        Level.INFO, Level.INFO, Level.WARN, Level.ERROR, Level.DEBUG, Level.TRACE, Level.FATAL};

    /** 2026-05-06T07:08:09Z, and on. */
    private static long now = 1778051289000L;

    private final Random random;
    private final PrintWriter truth;

    private Writer(long seed, PrintWriter truth) {
        this.random = new Random(seed);
        this.truth = truth;
    }

    public static void main(String[] arguments) throws IOException {
        Path folder = Paths.get(arguments[1]);
        long seed = Long.parseLong(arguments[2]);
        int events = Integer.parseInt(arguments[3]);
        try (PrintWriter truth = new PrintWriter(
                Files.newBufferedWriter(folder.resolve("truth.ndjson"), StandardCharsets.UTF_8))) {
            int number = 0;
            for (String layout : Files.readAllLines(Paths.get(arguments[0]), StandardCharsets.UTF_8)) {
                new Writer(seed + number, truth).write(folder, number, layout, events);
                number++;
            }
        }
    }

    private void write(Path folder, int number, String layout, int events) throws IOException {
        Path own = Files.createDirectories(folder.resolve("case" + number)).resolve("own.log");
        RollingFileAppender appender = new RollingFileAppender(new CarbonLayout(layout), own.toString());
        appender.setEncoding("UTF-8");
        appender.setMaxFileSize("24KB");
        appender.setMaxBackupIndex(1000);
        appender.activateOptions();
        for (int event = 0; event < events; event++) {
            now += random.nextInt(2500);
            one(appender, number, event);
        }
        appender.close();
    }

    private void one(RollingFileAppender appender, int number, int event) {
        Logger logger = Logger.getLogger(pick(LOGGERS));
        Level level = LEVELS[random.nextInt(LEVELS.length)];
        String thread = pick(THREADS);
        Map<String, String> properties = new HashMap<>();
        int kind = random.nextInt(3);
        String tenant = put(properties, "tenant", kind == 0 ? "" : kind == 1 ? "-1234" : "7");
        String domain = put(properties, "domain", kind == 2 ? "foo.com" : kind == 1 ? "carbon.super" : "");
        String user = put(properties, "user", kind == 0 ? "" : pick(new String[] {"bob", "m.e_1", "a-b"}));
        String server = put(properties, "server", random.nextInt(3) > 0 ? "" : "AM");
        String app = put(properties, "app", random.nextInt(3) > 0 ? "" : "api/am/store");
        String correlation = put(properties, "Correlation-ID",
            random.nextInt(3) == 0 ? "" : new java.util.UUID(random.nextLong(), random.nextLong()).toString());
        String tier = put(properties, "tier", random.nextBoolean() ? "" : "gold " + random.nextInt(9));
        String message = "event " + number + "/" + event + " " + text();
        Throwable thrown = random.nextInt(6) == 0 ? thrown() : null;
        ThrowableInformation information = thrown == null ? null : new ThrowableInformation(thrown);
        appender.doAppend(new LoggingEvent(Writer.class.getName(), logger, now, level, message, thread, information,
            "", null, properties));
        List<String> causes = new ArrayList<>();
        for (Throwable cause = thrown == null ? null : thrown.getCause(); cause != null; cause = cause.getCause()) {
            causes.add(quoted(cause.getClass().getName()));
        }
        truth.println("{\"case\":" + number + ",\"time\":" + now
            + ",\"level\":" + quoted(level.toString()) + ",\"logger\":" + quoted(logger.getName())
            + ",\"thread\":" + quoted(thread) + ",\"tenant\":" + quoted(tenant) + ",\"app\":" + quoted(app)
            + ",\"server\":" + quoted(server) + ",\"domain\":" + quoted(domain) + ",\"user\":" + quoted(user)
            + ",\"correlation\":" + quoted(correlation) + ",\"tier\":" + quoted(tier)
            + ",\"message\":" + quoted(message)
            + ",\"type\":" + (thrown == null ? "null" : quoted(thrown.getClass().getName()))
            + ",\"text\":" + (thrown == null ? "null" : quoted(String.valueOf(thrown.getMessage())))
            + ",\"causes\":[" + String.join(",", causes) + "]}");
    }

    private static String put(Map<String, String> properties, String key, String value) {
        if (!value.isEmpty()) {
            properties.put(key, value);
        }
        return value;
    }

    /** Some words; now and then further lines, of which none looks like a head. */
    private String text() {
        StringBuilder text = new StringBuilder();
        int words = random.nextInt(12);
        for (int i = 0; i < words; i++) {
            text.append(pick(WORDS)).append(' ');
        }
        for (int lines = random.nextInt(8) == 0 ? 1 + random.nextInt(4) : 0; lines > 0; lines--) {
            text.append(pick(new String[] {"\n  indented ", "\nunindented ", "\n\n", "\n<soap:Body>", "\n{\"a\": 1} "}))
                .append(pick(WORDS));
        }
        return text.append("end").toString();
    }

    private Throwable thrown() {
        Throwable thrown = null;
        for (int depth = random.nextInt(3); depth >= 0; depth--) {
            String text = pick(WORDS) + (random.nextInt(5) == 0 ? "\nsecond line of the text" : "") + " failed";
            switch (random.nextInt(3)) {
                case 0:
                    thrown = new IllegalStateException(text, thrown);
                    break;
                case 1:
                    thrown = new IOException(text, thrown);
                    break;
                default:
                    thrown = new java.util.concurrent.CompletionException(text, thrown);
            }
            if (random.nextInt(4) == 0) {
                thrown.addSuppressed(new java.io.UncheckedIOException(new java.io.EOFException("closed")));
            }
        }
        return thrown;
    }

    private String pick(String[] list) {
        return list[random.nextInt(list.length)];
    }

    private static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
