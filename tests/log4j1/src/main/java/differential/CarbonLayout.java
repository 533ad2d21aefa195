package differential;

import java.util.Map;
import org.apache.log4j.PatternLayout;
import org.apache.log4j.helpers.PatternConverter;
import org.apache.log4j.helpers.PatternParser;
import org.apache.log4j.spi.LoggingEvent;

/**
 * The letters that Carbon adds to log4j1's. Their values come from the event's properties; what is printed for other
 * tenants than the super tenant ({@code %P}) is a layout of its own.
 */
final class CarbonLayout extends PatternLayout {
    static final Map<Character, String> LETTERS = Map.of(
        'T', "tenant", 'S', "server", 'A', "app", 'D', "domain", 'U', "user");
    private static final String TENANT = "%U%@%D [%T] [%S]";

    CarbonLayout(String pattern) {
        super(pattern);
    }

    @Override
    protected PatternParser createPatternParser(String pattern) {
        return new PatternParser(pattern) {
            @Override
            protected void finalizeConverter(char letter) {
                if (!LETTERS.containsKey(letter) && letter != '@' && letter != 'P') {
                    super.finalizeConverter(letter);
                    return;
                }
                PatternLayout tenant = letter == 'P' ? new CarbonLayout(TENANT) : null;
                currentLiteral.setLength(0);
                addConverter(new PatternConverter(formattingInfo) {
                    @Override
                    protected String convert(LoggingEvent event) {
                        if (letter == '@') {
                            return value(event, "domain").isEmpty() ? "" : "@";
                        }
                        if (letter == 'P') {
                            String id = value(event, "tenant");
                            return id.isEmpty() || id.startsWith("-") ? "" : tenant.format(event);
                        }
                        return value(event, LETTERS.get(letter));
                    }
                });
            }
        };
    }

    private static String value(LoggingEvent event, String key) {
        Object value = event.getProperties().get(key);
        return value == null ? "" : value.toString();
    }
}
