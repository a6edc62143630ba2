/** What the examples use of React Native, which is too large to be installed for a check of types. */

declare module "react-native" {
  import type { ComponentType, ReactElement, ReactNode } from "react";

  type Style = Readonly<Record<string, string | number>>;
  export const View: ComponentType<{ style?: Style; children?: ReactNode }>;
  export const Text: ComponentType<{ style?: Style; numberOfLines?: number; children?: ReactNode }>;
  export const Pressable: ComponentType<{
    onPress?: () => void;
    accessibilityRole?: "button" | "link";
    accessibilityLabel?: string;
    style?: Style;
    children?: ReactNode;
  }>;
  export const FlatList: <Item>(props: {
    data: readonly Item[];
    keyExtractor: (item: Item) => string;
    renderItem: (info: { item: Item }) => ReactElement;
    onEndReached?: () => void;
    onRefresh?: () => void;
    refreshing?: boolean;
    ListEmptyComponent?: ReactElement;
  }) => ReactElement;
  export const Linking: { openURL(url: string): Promise<void> };
}

declare module "react-native-webview" {
  import { Component } from "react";

  export class WebView extends Component<{
    source: { html: string; baseUrl: string };
    onMessage?: (event: { nativeEvent: { data: string } }) => void;
  }> {
    injectJavaScript(script: string): void;
  }
}
