package differential;

import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.config.plugins.Plugin;
import org.apache.logging.log4j.core.pattern.ConverterKeys;
import org.apache.logging.log4j.core.pattern.LogEventPatternConverter;

/** The conversion words that Carbon adds to log4j2; here they print what stands in the thread's context. */
final class Words {
    private Words() {
    }

    private abstract static class FromContext extends LogEventPatternConverter {
        private final String key;

        FromContext(String key) {
            super(key, key);
            this.key = key;
        }

        @Override
        public void format(LogEvent event, StringBuilder to) {
            Object value = event.getContextData().getValue(key);
            if (value != null) {
                to.append(value);
            }
        }
    }

    /** {@code %tenantId} */
    @Plugin(name = "TenantWord", category = "Converter")
    @ConverterKeys("tenantId")
    public static final class Tenant extends FromContext {
        private Tenant() {
            super("tenantId");
        }

        /** Called by log4j2. */
        public static Tenant newInstance(String[] options) {
            return new Tenant();
        }
    }

    /** {@code %appName} */
    @Plugin(name = "AppWord", category = "Converter")
    @ConverterKeys("appName")
    public static final class App extends FromContext {
        private App() {
            super("appName");
        }

        /** Called by log4j2. */
        public static App newInstance(String[] options) {
            return new App();
        }
    }

    /** {@code %mm}: Carbon masks the message; here it stays as it is. */
    @Plugin(name = "MaskedWord", category = "Converter")
    @ConverterKeys("mm")
    public static final class Masked extends LogEventPatternConverter {
        private Masked() {
            super("mm", "mm");
        }

        /** Called by log4j2. */
        public static Masked newInstance(String[] options) {
            return new Masked();
        }

        @Override
        public void format(LogEvent event, StringBuilder to) {
            to.append(event.getMessage().getFormattedMessage());
        }
    }
}
