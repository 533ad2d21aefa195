package rolling;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.Logger;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.appender.RollingFileAppender;
import org.apache.logging.log4j.core.appender.rolling.RolloverListener;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.logging.log4j.core.config.builder.api.ConfigurationBuilder;
import org.apache.logging.log4j.core.config.builder.api.ConfigurationBuilderFactory;
import org.apache.logging.log4j.core.config.builder.impl.BuiltConfiguration;

/**
 * Numbered events through real log4j2 into files that roll by size all the time, until standard input ends.
 *
 * <p>Arguments: a folder for the logs, a folder for the truth, events a second for each file, the size at which a file
 * rolls, and names of files: {@code carbon} (renamed twenty deep, newest first), {@code audit} (packed by log4j2),
 * {@code service} (highest index newest). Before each roll the whole file is copied to the truth as
 * {@code NAME-NUMBER-MILLISECONDS}, the time being that of its end; what stands in the live file at the end too.
 */
public final class Rolling {
    private static final String PATTERN = "TID: [%tenantId] [%appName] [%d] [%X{Correlation-ID}] %5p {%c} - %mm%ex%n";
    private static final String PAD = " resource=/t/carbon.super/services user=admin took=17ms".repeat(5);

    private static volatile boolean enough;

    private final Path live;
    private final Path truth;
    private int generation;

    private Rolling(Path live, Path truth) {
        this.live = live;
        this.truth = truth;
    }

    public static void main(String[] arguments) throws Exception {
        Path logs = Paths.get(arguments[0]);
        Path truth = Paths.get(arguments[1]);
        long rate = Long.parseLong(arguments[2]);
        List<String> names = List.of(arguments).subList(4, arguments.length);
        LoggerContext context = Configurator.initialize(configuration(logs, arguments[3], names).build(false));
        List<Rolling> files = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        for (String name : names) {
            RollingFileAppender appender = context.getConfiguration().getAppender(name);
            Rolling file = new Rolling(Paths.get(appender.getFileName()), truth.resolve(name));
            appender.getManager().addRolloverListener(file.new Copying());
            files.add(file);
            Thread thread = new Thread(() -> write(context.getLogger(name), name, rate));
            thread.start();
            threads.add(thread);
        }
        while (System.in.read() >= 0) {
            // Whoever started it closes the pipe when it is enough.
        }
        enough = true;
        for (Thread thread : threads) {
            thread.join();
        }
        context.close();
        for (Rolling file : files) {
            file.copy();
        }
    }

    private static ConfigurationBuilder<BuiltConfiguration> configuration(Path logs, String size, List<String> names) {
        ConfigurationBuilder<BuiltConfiguration> builder = ConfigurationBuilderFactory.newConfigurationBuilder();
        for (String name : names) {
            String end = name.equals("audit") ? ".log.gz" : ".log";
            String order = name.equals("service") ? "max" : "min";
            builder.add(builder.newAppender(name, "RollingFile")
                .addAttribute("fileName", logs.resolve("wso2" + name + ".log").toString())
                .addAttribute("filePattern", logs.resolve("wso2" + name + "-%d{MM-dd-yyyy}.%i" + end).toString())
                .add(builder.newLayout("PatternLayout").addAttribute("pattern", PATTERN).addAttribute("charset", "UTF-8"))
                .addComponent(builder.newComponent("Policies")
                    .addComponent(builder.newComponent("SizeBasedTriggeringPolicy").addAttribute("size", size)))
                .addComponent(builder.newComponent("DefaultRolloverStrategy").addAttribute("max", "20")
                    .addAttribute("fileIndex", order)));
            builder.add(builder.newLogger(name, Level.ALL).add(builder.newAppenderRef(name)).addAttribute("additivity", false));
        }
        builder.add(builder.newRootLogger(Level.OFF));
        builder.setStatusLevel(Level.ERROR);
        return builder;
    }

    private static void write(Logger logger, String name, long rate) {
        long start = System.nanoTime();
        for (long number = 0; !enough; number++) {
            String text = "counted seq=" + name + "/" + number + ";" + PAD;
            if (number % 40 == 39) {
                logger.error(text, new IllegalStateException("boom " + number, new IOException("disk\nsecond line")));
            } else if (number % 29 == 0) {
                logger.info("{}\n  continuation of {}", text, number);
            } else {
                logger.info(text);
            }
            long due = start + (number + 1) * 1_000_000_000L / rate;
            while (System.nanoTime() < due && !enough) {
                LockSupport.parkNanos(Math.max(1_000L, due - System.nanoTime()));
            }
        }
    }

    private void copy() throws IOException {
        String name = String.format("%s-%06d-%d", truth, generation, System.currentTimeMillis());
        Files.copy(live, Paths.get(name));
        generation++;
    }

    private final class Copying implements RolloverListener {
        @Override
        public void rolloverTriggered(String fileName) {
            try {
                copy();
            } catch (IOException error) {
                throw new IllegalStateException(error);
            }
        }

        @Override
        public void rolloverComplete(String fileName) {
            // The next generation began.
        }
    }
}
