/** The parts of React Native that the examples in clients/react-native use, made of HTML: a webview is a frame. */

import { Component, createRef } from "react";

export const View = ({ children }) => <div>{children}</div>;
export const Text = ({ children }) => <span>{children}</span>;
export const Pressable = ({ onPress, accessibilityRole, children }) => (
  <div role={accessibilityRole} onClick={onPress}>
    {children}
  </div>
);
export const FlatList = ({ data, keyExtractor, renderItem, ListEmptyComponent }) => (
  <ul>
    {data.length ? data.map((item) => <li key={keyExtractor(item)}>{renderItem({ item })}</li>) : ListEmptyComponent}
  </ul>
);
export const Linking = {
  async openURL(url) {
    document.querySelector("#opened").textContent = url;
  },
};

export class WebView extends Component {
  #frame = createRef();

  componentDidMount() {
    const { contentWindow, contentDocument } = this.#frame.current;
    contentDocument.open();
    contentWindow.ReactNativeWebView = {
      postMessage: (data) => this.props.onMessage({ nativeEvent: { data } }),
    };
    contentDocument.write(this.props.source.html);
    contentDocument.close();
  }

  injectJavaScript(script) {
    this.#frame.current.contentWindow.eval(script);
  }

  render() {
    return <iframe ref={this.#frame} title="webview" width="390" height="600" />;
  }
}
